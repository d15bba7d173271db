from __future__ import annotations

import re
import urllib.request
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.clients.bench import Bench
from tests.clients.github.conftest import HOSTS
from tests.clients.github.with_pygithub import client
from tests.clients.nodejs import playing
from tests.clients.play import Script
from tests.clients.ways import HOST, PORT, PREFIX

pytestmark = pytest.mark.slow

BY_NAMES = "names of an operator's own"


@pytest.fixture(scope="module")
def octokit(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Script]:
    """
    Keep one process with the client in it.
    """
    with playing(tmp_path_factory.mktemp("octokit"), "octokit.mjs") as script:
        yield script


@pytest.fixture(autouse=True)
def _as_new(on: Bench) -> None:
    """
    Forget what was done before.
    """
    on.ends["sandbox"].reset()
    on.ledger.skip()


@pytest.mark.parametrize(("style", "works"), [(PORT, False), (HOST, False), (PREFIX, True), (BY_NAMES, True)])
def test_pygithub_uploads(on: Bench, style: str, works: bool, tmp_path: Path) -> None:
    """PyGithub uploads where both bases have one host and port, or names that differ in their first part only."""
    target = on.target("sandbox", HOST if style == BY_NAMES else style)
    if style == BY_NAMES:
        target = replace(target, base=re.sub(r"//[^:]+", f"//{next(iter(HOSTS))}", target.base))
    release = client(target, lazy=True).get_repo("ada/engine").create_git_release("v1", "One", "First.")
    file = tmp_path / "notes.txt"
    file.write_text("notes")
    if works:
        assert release.upload_asset(str(file), content_type="text/plain").name == "notes.txt"
    else:
        with pytest.raises(AssertionError):
            release.upload_asset(str(file))
    behind = on.ends["sandbox"].behind
    assert behind.effects["asset.created"] == int(works)
    on.ledger.proven(behind.wiretap.requests)


def test_octokit_uploads_elsewhere(on: Bench, octokit: Script) -> None:
    """Octokit's own method for uploads shows the key to the vendor's host, whatever its base is."""
    target = on.target("sandbox", PORT)
    ((asked,),) = [step.answer for step in octokit(target, only="elsewhere")]
    assert asked["url"].startswith("https://uploads.github.com/")
    assert asked["shown"] is True


def test_octokit_spellings(on: Bench, octokit: Script) -> None:
    """A base that ends in a slash is spelled in a way that is refused; an `&` behind the last argument is not."""
    slash, _, unlabelled = octokit(on.target("sandbox", PORT), only="refused")
    assert (slash.kind, slash.answer["status"]) == ("error", 400)
    assert (unlabelled.kind, "query-malformed" in repr(unlabelled.answer)) == ("object", False)
    on.ledger.proven(on.ends["sandbox"].behind.wiretap.requests)


def test_went_round(on: Bench) -> None:
    """A request that did not come through Breakwater fails the run."""
    behind = on.ends["sandbox"].behind
    client(on.target("sandbox", PORT), lazy=True).get_repo("ada/engine").get_issues(state="all").totalCount  # noqa: B018
    on.ledger.proven(behind.wiretap.requests)
    shown = {"Authorization": f"token {on.secret}", "User-Agent": "somebody"}
    asked = urllib.request.Request(f"{behind.url}/user", headers=shown)
    urllib.request.build_opener(urllib.request.ProxyHandler({})).open(asked).close()
    with pytest.raises(AssertionError, match="GET /user"):
        on.ledger.proven(behind.wiretap.requests, soon_s=0)


def test_key_at_the_upstream(on: Bench) -> None:
    """An upstream that was sent the agent's key fails the run."""
    behind = on.ends["sandbox"].behind
    asked = urllib.request.Request(f"{behind.url}/user", headers={"Authorization": f"token {on.key}"})
    with pytest.raises(OSError, match="401"):
        urllib.request.build_opener(urllib.request.ProxyHandler({})).open(asked)
    with pytest.raises(AssertionError, match="sent the agent's key"):
        on.check(behind, b"")
