from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from loadtest.installation import Breakwater
from loadtest.upstreams.github import GithubSandbox
from loadtest.upstreams.jira import JiraSandbox
from loadtest.upstreams.sandbox import Sandbox
from loadtest.upstreams.stripe import StripeSandbox
from proxy.cli.client import Running, find_running
from tests.docs.stand import ROOMY, SECRET, elsewhere, policy
from tests.harness import in_thread, minted

USER = "triage@example.com"
NAMES = ("support-refunds", "issue-triage", "release-automation")
VARIABLES = ("STRIPE_SECRET_KEY", "GITHUB_TOKEN", "JIRA_API_TOKEN")


@dataclass(frozen=True, slots=True)
class Street:
    """
    The three example policies in one Breakwater, with a sandbox for each vendor, and a key for each agent.
    """

    breakwater: Breakwater
    upstreams: Mapping[str, Sandbox]
    keys: Mapping[str, str]

    @property
    def process(self) -> Running:
        """
        Return the running process as commands reach it.
        """
        found = find_running(self.breakwater.state)
        assert found is not None
        return found

    def task(self, agent: str) -> str:
        """
        Open a task for an agent, and return its token.
        """
        return str(self.process.insist("POST", "/v1/tasks", {"agent": agent})["token"])


@pytest.fixture(scope="session")
def street(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Street]:
    """
    Run it for every test of a run.
    """
    with _street(tmp_path_factory.mktemp("street")) as made:
        yield made


def _roles() -> dict[str, list[str]]:
    roles: dict[str, set[str]] = {}
    for name in NAMES:
        for operator, card in policy(name)["operators"].items():
            roles.setdefault(operator, set()).update(card["roles"])
    return {operator: sorted(held) for operator, held in roles.items()}


@contextlib.contextmanager
def _street(folder: Path) -> Iterator[Street]:
    with ExitStack() as stack:
        github = GithubSandbox(secret=SECRET, repos=("acme/support", "acme/engine"), people=("ada", "bob"))
        upstreams: dict[str, Sandbox] = {
            "stripe": stack.enter_context(in_thread(StripeSandbox(secret=SECRET))),
            "github": stack.enter_context(in_thread(github)),
            "jira": stack.enter_context(
                in_thread(JiraSandbox(secret=SECRET, user=USER, projects=[("SUP", "Support"), ("FIN", "Finance")]))
            ),
        }
        members = [each for each in github.world.people.values() if each.login in {"ada", "bob"}]
        github.world.teams["acme", "support"] = members
        document: dict[str, Any] = {"ledger": ROOMY}
        for name in NAMES:
            for part, said in elsewhere(policy(name), {api: each.url for api, each in upstreams.items()}).items():
                document[part] = {**document.get(part, {}), **said} if isinstance(said, dict) else said
        # On which day a test runs is no matter; the policy's own cases say what that rule does.
        del document["agents"]["release_bot"]["allow"]["github"]["repos/update-release"]["require"]
        document["operators"] = {name: {"roles": roles} for name, roles in _roles().items()}
        made = Breakwater(folder, document, dict.fromkeys(VARIABLES, SECRET))
        stack.callback(made.terminate)
        made.start()
        yield Street(made, upstreams, {name: minted(made, name) for name in document["agents"]})
