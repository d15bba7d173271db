"""Answers of GitHub that were lost: issues, comments and pull requests made, changed and deleted, found or not."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from breakers.stops import Mode
from loadtest.upstreams.faults import Act, Fault, HangUp, Malformed, Status
from loadtest.upstreams.wiretap import Seen
from tests.doubt.world import EVERY_TIME, GITHUB, World, github
from tests.proxy.road import marks, soon

ISSUES = f"{GITHUB}/issues"
REPLAYED = ("replayed", "yes", "repeats:replayed")
ISSUE: dict[str, object] = {"title": "Broken", "body": "It is.", "labels": ["bug"]}

# What is not shown by then is not there: the write's own time, a late sender, the list's lag, a second look.
GONE_S = 92 + 15 + 10

Write = tuple[str, str, dict[str, object] | None]


@pytest_asyncio.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    """
    Give the road to GitHub.
    """
    async with github(tmp_path) as one:
        yield one


async def ready(world: World, what: str) -> Write:
    """
    Make what a write needs, and return its method, its target and its body.
    """
    number = (await world.write("POST", ISSUES, {"title": "first"})).json["number"]
    world.on.clock.move(600)
    match what:
        case "issue":
            return "POST", ISSUES, dict(ISSUE)
        case "comment":
            return "POST", f"{ISSUES}/{number}/comments", {"body": "Seen."}
        case "pull request":
            git = world.sandbox.world.repos["ada/engine"].git
            main = git.refs["refs/heads/main"]
            files, author, now = {"a.txt": git.blob(b"a")}, ("ada", "ada@example.com"), world.sandbox.world.now()
            git.refs["refs/heads/fix"] = git.commit("change", files, (main,), author, now).sha
            return "POST", f"{GITHUB}/pulls", {"title": "Fix", "head": "fix", "base": "main", "body": "It is."}
        case "update":
            return "PATCH", f"{ISSUES}/{number}", {"state": "closed"}
        case _:
            made = (await world.write("POST", f"{ISSUES}/{number}/comments", {"body": "Seen."})).json["id"]
            world.on.clock.move(600)
            return "DELETE", f"{ISSUES}/comments/{made}", None


@pytest.mark.parametrize("marker", [False, True], ids=["unmarked", "marked"])
@pytest.mark.parametrize("what", ["issue", "comment", "pull request", "update", "delete"])
async def test_found(what: str, marker: bool, tmp_path: Path) -> None:
    """Whatever was made, changed or deleted is found, was sent once, and is given to whoever repeats it."""
    async with github(tmp_path, marker=marker) as world:
        method, target, body = await ready(world, what)
        effects, sent = world.sandbox.effects.total(), world.asked(method)
        intent = await world.lose(method, target, body)
        await world.meanwhile(method, target, body, intent)
        await world.looks(2)
        assert world.state(intent) is None
        again = await world.write(method, target, body)
        assert marks(again) == ({"POST": 201, "PATCH": 200, "DELETE": 204}[method], *REPLAYED)
        assert again.header("Breakwater-Intent") == intent
        assert (world.asked(method), world.sandbox.effects.total()) == (sent + 1, effects + 1)
        changed = (await world.entry(intent, "change.recorded"))["entry"]
        assert {"POST": "create", "PATCH": "update", "DELETE": "delete"}[method] in changed["acts"]


@pytest.mark.parametrize("what", ["issue", "comment", "update"])
async def test_absent(what: str, world: World) -> None:
    """What never arrived is known not to have happened once it would be visible, and then it may be done again."""
    method, target, body = await ready(world, what)
    effects = world.sandbox.effects.total()
    intent = await world.lose(method, target, body, applied=False)
    await world.looks(90)
    assert world.state(intent) == "unknown"
    await world.meanwhile(method, target, body, intent)
    await world.looks(GONE_S - 90)
    assert world.state(intent) is None
    resolved = (await world.entry(intent, "recovery.resolved"))["entry"]
    assert (resolved["eff"], resolved["why"], resolved["keeps"]) == ("not_applied", "absent", False)
    again = await world.write(method, target, body)
    assert marks(again)[1:] == ("executed", "yes", "forward:allowed")
    assert world.sandbox.effects.total() == effects + 1


async def test_deletion_that_never_arrived(world: World) -> None:
    """Of a deletion that nothing can undo a person decides, even where the object is certainly still there."""
    method, target, body = await ready(world, "delete")
    intent = await world.lose(method, target, body, applied=False)
    await world.looks(GONE_S)
    assert world.state(intent) == "parked"
    await world.meanwhile(method, target, body, intent)


async def test_list_is_behind(tmp_path: Path) -> None:
    """A list that shows things half a minute late is no reason to call an issue absent before that."""
    async with github(tmp_path, lag_s=30.0) as world:
        method, target, body = await ready(world, "issue")
        intent = await world.lose(method, target, body)
        await world.looks(29)
        assert world.state(intent) == "unknown"
        await world.looks(40)
        assert world.state(intent) is None
        assert (await world.entry(intent, "recovery.resolved"))["entry"]["eff"] == "applied"


async def test_pull_request_is_no_issue(world: World) -> None:
    """A pull request that says the same is not the issue that was asked for."""
    _, pulls, pull = await ready(world, "pull request")
    assert pull is not None
    assert (await world.write("POST", pulls, pull)).status == 201
    intent = await world.lose("POST", ISSUES, {"title": pull["title"], "body": pull["body"]}, applied=False)
    await world.looks(GONE_S)
    assert (await world.entry(intent, "recovery.resolved"))["entry"]["eff"] == "not_applied"


async def test_two_that_are_the_same(world: World) -> None:
    """Of two equal issues nobody can say which was meant, without a mark: a person decides."""
    world.on.clock.move(600)
    await world.write("POST", ISSUES, ISSUE, named="first")
    world.on.clock.move(61)
    intent = await world.lose("POST", ISSUES, ISSUE, named="second")
    # The same, made by somebody else under our identity at the same time.
    world.sandbox.faults.clear()
    twin = await world.write("POST", ISSUES, {**ISSUE, "title": "Other"})
    await world.write("PATCH", f"{ISSUES}/{twin.json['number']}", {"title": "Broken"})
    await world.looks(2)
    assert world.state(intent) == "parked"
    resolved = (await world.entry(intent, "recovery.resolved"))["entry"]
    assert (resolved["eff"], resolved["why"]) == ("unknown", "ambiguous")


async def test_made_twice(tmp_path: Path) -> None:
    """Two issues with the mark of one intent are an incident, which is counted, logged and on record."""
    async with github(tmp_path, marker=True) as world:
        intent = await world.lose("POST", ISSUES, ISSUE)
        text = f"It is.\n\n<!-- breakwater_call: {intent} -->"
        await world.write("POST", ISSUES, {"title": "Copied", "body": text})
        await world.looks(2)
        resolved = (await world.entry(intent, "recovery.resolved"))["entry"]
        assert (resolved["eff"], resolved["why"], resolved["incident"]) == ("applied", "duplicate", "duplicate")
        assert world.on.log.of("doubt-incident")[0]["intent"] == intent
        counted = world.on.rooms.metrics.registry.get_sample_value
        assert counted("breakwater_doubt_incidents_total", {"api": "github"}) == 1
        # What makes writes twice only suggests them, until a person has looked.
        assert world.on.rooms.killswitch.here.mode("api:github") is Mode.SUGGEST
        await soon(lambda: world.on.log.of("auto-kill"))
        assert world.on.log.of("auto-kill")[0]["by"] == "auto:duplicate"
        again = await world.write("POST", ISSUES, ISSUE)
        assert again.json["title"] == ISSUE["title"]


@pytest.mark.parametrize(
    "act",
    [
        Status(429, retry_after_s=7),
        Status(500),
        Status(404),
        HangUp(),
        Malformed("not-json"),
        Malformed("truncated-body"),
    ],
    ids=["429", "500", "404", "no answer", "no JSON", "half an answer"],
)
async def test_reading_fails(act: Act, world: World) -> None:
    """A look that fails teaches nothing, for as long as it does: what is there is not called absent."""
    method, target, body = await ready(world, "issue")
    intent = await world.lose(method, target, body)
    world.sandbox.faults.add(Fault(act, method="GET", path=ISSUES, times=EVERY_TIME))
    await world.looks(GONE_S * 2)
    assert world.state(intent) == "unknown"
    world.sandbox.faults.clear()
    await world.looks(600)
    assert (await world.entry(intent, "recovery.resolved"))["entry"]["eff"] == "applied"


async def test_further_pages(world: World) -> None:
    """What stands on a later page is found, and a page that fails makes the whole list one that was not read."""
    method, target, body = await ready(world, "comment")
    for number in range(101):
        world.sandbox.work(Seen("POST", target, (), b'{"body": "%d"}' % number))
    world.on.clock.move(0.5)
    intent = await world.lose(method, target, body)
    world.sandbox.faults.add(Fault(Status(502), method="GET", path=target, times=EVERY_TIME))
    await world.looks(2)
    assert world.state(intent) == "unknown"
    world.sandbox.faults.clear()
    await world.looks(60)
    assert world.state(intent) is None
    probed = await world.entry(intent, "recovery.probed")
    seen = json.loads(probed["payloads"]["evidence"]["text"])
    assert (seen["pages"], seen["items"], [one["body"] for one in seen["found"]]) == (3, 102, ["Seen."])


async def test_backs_off(world: World) -> None:
    """While its API teaches nothing, an account is asked less and less, whatever the number of its doubts."""
    method, target, body = await ready(world, "comment")
    for number in range(10):
        await world.lose(method, target, {**(body or {}), "body": f"{number}"}, named=f"k{number}")
    world.sandbox.faults.add(Fault(Status(503), times=EVERY_TIME))
    asked = world.asked("GET")
    assert await world.looks(600) <= 12
    assert world.asked("GET") - asked <= 12 * 2
    world.sandbox.faults.clear()
    await world.looks(600)
    assert world.doubts.said() == []


async def test_answer_of_another_shape(world: World) -> None:
    """What does not answer with its object is found, and a repeat is told so: nobody reads an object as that answer."""
    target = f"{GITHUB}/contents/notes.txt"
    body: dict[str, object] = {"message": "add notes", "content": "aGVsbG8="}
    effects, sent = world.sandbox.effects.total(), world.asked("PUT")
    intent = await world.lose("PUT", target, body)
    await world.looks(2)
    assert world.state(intent) is None
    again = await world.write("PUT", target, body)
    assert marks(again) == (424, "executed", "yes", "repeats:answer-not-kept")
    assert again.header("Breakwater-Intent") == intent
    assert (world.asked("PUT"), world.sandbox.effects.total() > effects) == (sent + 1, True)
    assert (await world.entry(intent, "change.recorded"))["entry"]["acts"] == ["create"]
