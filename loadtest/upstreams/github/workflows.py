"""Workflows, as far as agents start them."""

from __future__ import annotations

import posixpath

from loadtest.upstreams.answer import Answer
from loadtest.upstreams.github.call import Call, Urls, View, nothing, shown
from loadtest.upstreams.github.errors import not_found, unprocessable
from loadtest.upstreams.github.people import iso
from loadtest.upstreams.github.repositories import repo_url
from loadtest.upstreams.github.state import Repo, Workflow

# From this version of the API on, a dispatch always answers with its run.
_DETAILED_SINCE = "2026-03-10"


def _workflow(urls: Urls, repo: Repo, thing: Workflow) -> View:
    html = f"{urls.html}/{repo.full_name}"
    return {
        "id": thing.id,
        "node_id": f"W_{thing.id}",
        "name": thing.name,
        "path": thing.path,
        "state": "active",
        "created_at": iso(thing.at),
        "updated_at": iso(thing.at),
        "url": f"{repo_url(urls, repo)}/actions/workflows/{thing.id}",
        "html_url": f"{html}/blob/{repo.default_branch}/{thing.path}",
        "badge_url": f"{html}/workflows/{thing.name}/badge.svg",
    }


def _of(repo: Repo, name: str) -> Workflow:
    for thing in repo.workflows.values():
        if name in {str(thing.id), posixpath.basename(thing.path)}:
            return thing
    raise not_found()


def get(call: Call, repo: Repo, name: str) -> Answer:
    """
    Show a workflow, by id or by the name of its file.
    """
    return shown(_workflow(call.urls, repo, _of(repo, name)))


def dispatch(call: Call, repo: Repo, name: str) -> Answer:
    """
    Start a workflow on a branch or a tag.
    """
    thing = _of(repo, name)
    given = call.given({"ref": "string", "inputs": "object|null", "return_run_details": "boolean"}, "ref")
    if repo.git.resolve(given["ref"]) is None:
        raise unprocessable(f"No ref found for: {given['ref']}")
    call.world.done("workflow.dispatched", repo, "workflow", thing.id)
    if not given.get("return_run_details") and call.version < _DETAILED_SINCE:
        return nothing()
    run = call.world.mint()
    return shown(
        {
            "workflow_run_id": run,
            "run_url": f"{repo_url(call.urls, repo)}/actions/runs/{run}",
            "html_url": f"{call.urls.html}/{repo.full_name}/actions/runs/{run}",
        }
    )
