"""Answers of Jira that were lost, where the search that could find them is minutes behind."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.doubt.world import World, jira
from tests.proxy.road import marks

ISSUES = "/rest/api/3/issue"
REPLAYED = ("replayed", "yes", "repeats:replayed")
ISSUE: dict[str, object] = {
    "fields": {"project": {"key": "SHOP"}, "issuetype": {"name": "Task"}, "summary": "Card declined"}
}
ANOTHER: dict[str, object] = {
    "fields": {"project": {"key": "SHOP"}, "issuetype": {"name": "Task"}, "summary": "Parcel lost"}
}

# What the search does not show by then is not there: 62 s for the write, five minutes of lag, two more looks.
GONE_S = 62 + 300 + 2 * 150 + 60


async def test_search_is_behind(tmp_path: Path) -> None:
    """With the mark on and the search three minutes behind no duplicate appears, and the doubt resolves by itself."""
    async with jira(tmp_path, lag_s=180.0, marker=True) as world:
        intent = await world.lose("POST", ISSUES, ISSUE)
        for _ in range(5):
            await world.looks(34)
            assert world.state(intent) == "unknown"
            await world.meanwhile("POST", ISSUES, ISSUE, intent)
        await world.looks(200)
        assert world.state(intent) is None
        again = await world.write("POST", ISSUES, ISSUE)
        assert marks(again) == (201, *REPLAYED)
        assert again.header("Breakwater-Intent") == intent
        assert again.json["fields"]["labels"] == [f"breakwater_call_{intent}"]
        assert world.sandbox.effects["issue.created"] == 1
        assert (await world.entry(intent, "recovery.resolved"))["entry"]["why"] == "found"


async def test_search_shows_nothing_later(tmp_path: Path) -> None:
    """That the search does not show an issue proves nothing, until it shows one that was made later."""
    async with jira(tmp_path, marker=True) as world:
        intent = await world.lose("POST", ISSUES, ISSUE, applied=False)
        await world.looks(GONE_S * 2)
        assert world.state(intent) == "unknown"
        assert (await world.write("POST", ISSUES, ANOTHER)).status == 201
        await world.looks(2 * 3600)
        assert world.state(intent) is None
        assert (await world.entry(intent, "recovery.resolved"))["entry"]["eff"] == "not_applied"


async def test_nobody_knows_for_a_day(tmp_path: Path) -> None:
    """Where nothing later ever shows, a person decides after a day."""
    async with jira(tmp_path, marker=True) as world:
        intent = await world.lose("POST", ISSUES, ISSUE, applied=False)
        await world.looks(27 * 3600)
        assert world.state(intent) == "parked"
        assert (await world.entry(intent, "recovery.resolved"))["entry"]["why"] == "inconclusive"


@pytest.mark.parametrize("applied", [True, False], ids=["changed", "not changed"])
async def test_edited(applied: bool, tmp_path: Path) -> None:
    """An issue that was edited, or was not, is told by the issue itself."""
    async with jira(tmp_path) as world:
        made = await issue(world)
        intent = await world.lose("PUT", f"{ISSUES}/{made}", {"fields": {"summary": "Settled"}}, applied=applied)
        await world.looks(GONE_S)
        assert world.state(intent) is None
        resolved = (await world.entry(intent, "recovery.resolved"))["entry"]
        assert resolved["eff"] == ("applied" if applied else "not_applied")
        assert world.asked("PUT") == 1


async def test_commented(tmp_path: Path) -> None:
    """A comment that was made is found in the list of its issue's comments, as the one that equals what was sent."""
    async with jira(tmp_path) as world:
        made = await issue(world)
        text = {"type": "text", "text": "Seen."}
        body = {"body": {"type": "doc", "version": 1, "content": [{"type": "paragraph", "content": [text]}]}}
        intent = await world.lose("POST", f"{ISSUES}/{made}/comment", body)
        await world.looks(10)
        assert world.state(intent) is None
        again = await world.write("POST", f"{ISSUES}/{made}/comment", body)
        assert marks(again) == (201, *REPLAYED)
        assert world.sandbox.effects["comment.created"] == 1


async def issue(world: World) -> str:
    """
    Make an issue, long ago, and return its key.
    """
    made = str((await world.write("POST", ISSUES, ISSUE)).json["key"])
    world.on.clock.move(3600)
    return made
