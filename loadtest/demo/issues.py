"""Scenes at GitHub: PyGithub works on issues in one repository, and only there."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from github import Auth, Github, GithubException

from loadtest.demo.card import OWNER, REPOSITORY
from loadtest.demo.record import Shown, UnexpectedError, call_in, expect, expect_refusal
from loadtest.demo.stage import Stage

_TITLES = ("It leaks", "It squeaks", "It stops")

# So that three issues are two pages.
_PER_PAGE = 2


@contextlib.contextmanager
def _client(stage: Stage, *, lazy: bool = False) -> Iterator[Github]:
    """
    Point PyGithub at the door, without its pauses and its ten retries.
    """
    sdk = Github(
        auth=Auth.Token(stage.key),
        base_url=stage.door("github"),
        per_page=_PER_PAGE,
        seconds_between_requests=0,
        seconds_between_writes=0,
        retry=None,
        lazy=lazy,
    )
    try:
        yield sdk
    finally:
        sdk.close()


def an_issue_is_edited(stage: Stage) -> Shown:
    """
    Open three issues, edit one at the URL that it came with, and follow GitHub's links from page to page.
    """
    with _client(stage) as sdk:
        repository = sdk.get_repo(f"{OWNER}/{REPOSITORY}")
        opened = [repository.create_issue(title) for title in _TITLES]
        opened[0].edit(title="It leaks oil")
        titles = {issue.title for issue in repository.get_issues()}
    expect(titles == {"It leaks oil", *_TITLES[1:]}, f"listed {titles}")
    expect(stage.effects("github") == {"issue.created": 3, "issue.updated": 1}, f"counted {stage.effects('github')}")
    stage.expect_on_record("github")
    call = stage.record.newest("github", "issues/update")
    diff = stage.record.expect_changed(call, "/issue/title", "It leaks", "It leaks oil")
    return Shown(f"#{opened[0].number} has another title; every request went through the door", call, diff)


def another_repository_is_refused(stage: Stage) -> Shown:
    """
    Open an issue where the card does not let the agent.
    """
    with _client(stage, lazy=True) as sdk:
        elsewhere = sdk.get_repo("looms/site")
        try:
            elsewhere.create_issue(_TITLES[0])
        except GithubException as error:
            expect(stage.effects("github").get("issue.created") == 3, f"counted {stage.effects('github')}")
            return expect_refusal("GithubException", error.message, "not-allowed", error.data, call_in(error))
    raise UnexpectedError("it was not refused")
