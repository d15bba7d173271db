"""Every GitHub client in Python does the same work directly and through each style of door that it can use."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import pytest

from tests.clients.bench import Bench, assert_ours
from tests.clients.github import with_githubkit, with_httpx, with_pygithub
from tests.clients.table import hold, row
from tests.clients.ways import STYLES, UNIX

pytestmark = pytest.mark.slow


class Client(NamedTuple):
    """
    A client's scripts: work, and what it makes of answers of ours; and the styles of door that it can use.
    """

    work: Callable[..., Any]
    ours: Callable[..., Any]
    styles: tuple[str, ...]


CLIENTS = {
    "PyGithub": Client(with_pygithub.work, with_pygithub.ours, STYLES),
    "githubkit": Client(with_githubkit.work, with_githubkit.ours, STYLES),
    "httpx": Client(with_httpx.work, with_httpx.ours, (*STYLES, UNIX)),
}
UPSTREAMS = ("sandbox", "emulate")


@pytest.mark.parametrize("upstream", UPSTREAMS)
@pytest.mark.parametrize(("name", "style"), [(name, style) for name in CLIENTS for style in CLIENTS[name].styles])
def test_same_work(on: Bench, name: str, style: str, upstream: str) -> None:
    """The client does the same work, and shows the same of it, directly and through each style of door."""
    differences = on.differences(CLIENTS[name].work, upstream, style)
    assert not differences, "\n".join(differences)


@pytest.mark.parametrize("name", CLIENTS)
def test_ours(on: Bench, name: str) -> None:
    """A refusal of ours is an error of the client's own that shows our reason, and a write in doubt is sent once."""
    assert_ours(on.refusals(CLIENTS[name].ours, "sandbox"))


@pytest.mark.parametrize("upstream", UPSTREAMS)
@pytest.mark.parametrize("name", CLIENTS)
def test_row(on: Bench, name: str, upstream: str) -> None:
    """The page's row is what a run finds."""
    hold(row(on, name, CLIENTS[name].work, upstream, CLIENTS[name].styles), name, upstream)
