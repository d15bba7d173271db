"""Stopping and lifting over the admin door: who may, what has to be said, and what it takes two for."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest
import pytest_asyncio

from breakers.breaker import State
from breakers.stops import ALL, RUNNING, Mode
from breakers.store.protocol import StoreUnavailable
from loadtest.upstreams.stripe import StripeSandbox
from tests.proxy.road import SECRET, Road, road
from tests.wire.client import Answer

pytestmark = pytest.mark.asyncio(loop_scope="module")

OPERATORS = {
    "ana": {"roles": ["resume", "break-glass"]},
    "ben": {"roles": ["resume", "break-glass"]},
    "eve": {"roles": ["approver", "admin"]},
}


@dataclass(repr=False)
class Door:
    """The admin door, with a token for each operator."""

    on: Road
    tokens: dict[str, str] = field(default_factory=dict)

    async def post(self, path: str, who: str | None, **body: object) -> Answer:
        """
        Ask for something as an operator; without a name, with the token that lies in the state folder.
        """
        return await self.on.admin("POST", path, body, token=None if who is None else self.tokens[who])

    async def kill(self, who: str | None = None, **body: object) -> dict[str, Any]:
        """
        Stop something.
        """
        answer = await self.post("/v1/kill", who, **body)
        assert answer.status == 200, answer.body
        said: dict[str, Any] = answer.json
        return said

    async def lift(self, who: str | None, path: str = "/v1/resume", **more: Any) -> Answer:
        """
        Lift what stands.
        """
        scope = str(more.get("scope", ALL))
        shown = (await self.on.admin("GET", f"/v1/kill?scope={scope}")).json
        epoch = shown["record"]["epoch"] if "record" in shown else 1
        return await self.post(path, who, **{"epoch": epoch, "reason": "OPS-7", **more})

    def mode(self, scope: str = ALL) -> Mode:
        """
        Return what is in force.
        """
        return self.on.rooms.killswitch.here.mode(scope)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def opened(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Door]:
    """
    Give a road with operators.
    """
    async with (
        StripeSandbox(secret=SECRET) as upstream,
        road(tmp_path_factory.mktemp("kill"), upstream.url, operators=OPERATORS) as running,
    ):
        door = Door(running)
        for name in OPERATORS:
            door.tokens[name] = (await running.admin("POST", "/v1/operators", {"operator": name})).json["token"]
        yield door


@pytest_asyncio.fixture(loop_scope="module")
async def door(opened: Door) -> AsyncIterator[Door]:
    """
    Give it with everything running, and leave it so.
    """
    yield opened
    switch = opened.on.rooms.killswitch
    for scope in (*switch.stops.by_scope,):
        if switch.here.mode(scope) is not Mode.RUN or switch.stops.by_scope[scope].until is not None:
            await switch.order(scope, Mode.RUN, "test", "over")
    # As a reload does.
    opened.on.rooms.settings = opened.on.rooms.settings.model_copy(
        update={"kill": type(opened.on.rooms.settings.kill)()}
    )


def two_resume(door: Door) -> None:
    """
    Have the configuration ask for two.
    """
    settings = door.on.rooms.settings
    door.on.rooms.settings = settings.model_copy(update={"kill": settings.kill.model_copy(update={"resume_by": 2})})


@pytest.mark.parametrize("who", ["ana", "eve", None])
async def test_everyone_stops(who: str | None, door: Door) -> None:
    """Whoever has an operator's token may stop, and is on record with it."""
    said = await door.kill(who, reason="OPS-7")
    assert (said["scope"], said["mode"], said["by"]) == ("all", "stop-writes", who or "admin")
    assert (said["recorded"], said["shared"], said["confirmed"]) == (True, True, True)
    entry = [record.entry for record in await door.on.newest(10) if record.kind == "kill.changed"][-1]
    assert (entry["scope"], entry["mode"], entry["epoch"], entry["by"]) == (
        *("all", "stop-writes"),
        *(said["epoch"], who or "admin"),
    )
    # What people say is sealed.
    assert "OPS-7" not in str(entry)


@pytest.mark.parametrize(("who", "status"), [("eve", 403), ("ana", 200), (None, 200)])
async def test_who_resumes(who: str | None, status: int, door: Door) -> None:
    """It takes the role `resume` to resume, which the token in the state folder has where one is enough."""
    await door.kill()
    assert (await door.lift(who, full=True)).status == status
    assert door.mode() is (Mode.RUN if status == 200 else Mode.STOP_WRITES)


NOT_LIFTED: dict[str, tuple[dict[str, Any], str]] = {
    "no reason": ({"reason": "  "}, "says why"),
    "a reason that says too much": ({"reason": "x" * 501}, "reason"),
    "another record": ({"epoch": 1}, "was stopped anew"),
    "no epoch": ({"epoch": None}, "epoch"),
    "the same mode": ({"to": "stop-writes"}, "not more than"),
    "more": ({"to": "stop-all"}, "not more than"),
    "what runs": ({"scope": "agent:support"}, "not more than"),
    "no scope": ({"scope": "agents"}, "is no scope"),
    "something else": ({"force": True}, "force"),
}


@pytest.mark.parametrize("case", NOT_LIFTED)
async def test_not_lifted(case: str, door: Door) -> None:
    """What does not say why, or means another record, lifts nothing, and is told what would."""
    await door.kill()
    more, says = NOT_LIFTED[case]
    no = await door.lift("ana", **more)
    assert no.status == 409
    assert says in no.json["error"]
    assert no.json["hint"]
    assert door.mode() is Mode.STOP_WRITES


async def test_not_begun(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the way back cannot be begun yet nothing is lifted, and that passes by itself: it is no conflict."""
    await door.kill()

    async def away(*_: object) -> None:
        raise StoreUnavailable("it is being rebuilt")

    monkeypatch.setattr(door.on.rooms.observer, "change", away)
    no = await door.lift("ana", full=True)
    assert (no.status, "the way back cannot be begun" in no.json["error"]) == (503, True)
    assert door.mode() is Mode.STOP_WRITES
    monkeypatch.undo()
    assert (await door.lift("ana", full=True)).status == 200


async def test_sent_again(door: Door) -> None:
    """A resume that is sent once more does not lift what was stopped since."""
    epoch = (await door.kill())["epoch"]
    order = {"epoch": epoch, "reason": "OPS-7", "full": True}
    assert (await door.post("/v1/resume", "ana", **order)).status == 200
    await door.kill("ben", reason="it is wrong again")
    again = await door.post("/v1/resume", "ana", **order)
    assert (again.status, door.mode()) == (409, Mode.STOP_WRITES)
    assert "by ben" in again.json["error"]


SCOPES = {
    "agent:suport": "did you mean `support`",
    "agents:support": "task:ID",
    "api:strip": "did you mean `stripe`",
    "task:support": "breakwater task show",
    "task:nobody/2026-11-21": "known here",
    "op:refund.create": "did you mean",
    "op:strip:refunds.create": "did you mean `stripe`",
    "canary": "task:ID",
    "ALL": "task:ID",
    "": "task:ID",
}


@pytest.mark.parametrize("scope", SCOPES)
async def test_no_scope(scope: str, door: Door) -> None:
    """A scope that would stop nothing is refused with the one that was meant."""
    no = await door.post("/v1/kill", None, scope=scope)
    assert no.status == 409
    assert SCOPES[scope] in no.json["hint"]


@pytest.mark.parametrize(
    "scope", ["api:stripe", "agent:support", "task:support/2026-11-21", "op:refunds.create", "op:stripe:refunds.create"]
)
async def test_scopes(scope: str, door: Door) -> None:
    """Every kind of scope is stopped and lifted by its own name."""
    await door.kill(scope=scope, mode="stop-all")
    assert (door.mode(scope), door.mode()) == (Mode.STOP_ALL, Mode.RUN)
    assert (await door.lift("ana", scope=scope, full=True)).status == 200
    assert door.mode(scope) is Mode.RUN


async def test_stop_is_never_less(door: Door) -> None:
    """A stop may be made stricter by everyone, and less only by who may lift it."""
    await door.kill(mode="suggest")
    await door.kill(mode="stop-all")
    no = await door.post("/v1/kill", "eve", mode="suggest")
    assert no.status == 409
    assert "resume --scope all --to suggest" in no.json["hint"]
    assert (await door.post("/v1/kill", "eve", mode="run")).status == 409
    # Nor does anyone let through it what it keeps back.
    assert (await door.post("/v1/kill", "eve", mode="stop-all", allow_reconcile=True)).status == 409
    assert (await door.lift("ana", to="suggest")).status == 200
    assert door.mode() is Mode.SUGGEST


async def test_two_people(door: Door) -> None:
    """Where it takes two, one person's word waits, and another's same word does it; both are on record."""
    two_resume(door)
    await door.kill()
    for _ in range(2):
        waits = await door.lift("ana", full=True)
        assert (waits.status, waits.json["waits"], waits.json["by"]) == (202, True, "ana")
        assert door.mode() is Mode.STOP_WRITES
    # Not the same word.
    assert (await door.lift("ben", full=False)).status == 202
    assert (await door.lift("ben", to="suggest")).status == 202
    house = await door.lift(None, full=True)
    assert (house.status, "two people" in house.json["error"]) == (409, True)
    done = await door.lift("ben", full=True)
    assert (done.status, done.json["by"]) == (200, "ana+ben")
    assert door.mode() is Mode.RUN
    asked = [record.entry["by"] for record in await door.on.newest(20) if record.kind == "kill.asked"]
    assert asked == ["ana", "ana", "ben", "ben"]


async def test_two_people_in_time(door: Door) -> None:
    """One person's word is forgotten after a quarter of an hour, and says nothing of a newer stop."""
    two_resume(door)
    await door.kill()
    assert (await door.lift("ana", full=True)).status == 202
    door.on.clock.move(901)
    assert (await door.lift("ben", full=True)).status == 202
    await door.kill(mode="stop-all")
    assert (await door.lift("ana", full=True)).status == 202
    assert door.mode() is Mode.STOP_ALL


async def test_break_glass(door: Door) -> None:
    """The glass is broken for a time by who may, and then it is stopped as it was."""
    await door.kill(scope="agent:support", mode="stop-all")
    assert (await door.lift(None, "/v1/break-glass", scope="agent:support", ttl="20m")).status == 403
    assert (await door.lift("eve", "/v1/break-glass", scope="agent:support", ttl="20m")).status == 403
    for ttl in ("61m", "0s"):
        assert (await door.lift("ana", "/v1/break-glass", scope="agent:support", ttl=ttl)).status == 409
    done = await door.lift("ana", "/v1/break-glass", scope="agent:support", ttl="20m")
    assert (done.status, done.json["back"], done.json["by"]) == (200, "stop-all", "ana")
    assert door.mode("agent:support") is Mode.RUN
    (shown,) = (await door.on.admin("GET", "/v1/status")).json["kill"]["scopes"]
    assert (shown["mode"], shown["until"]) == ("run", (door.on.clock.now() + timedelta(minutes=20)).isoformat())
    door.on.clock.move(20 * 60)
    assert door.mode("agent:support") is Mode.STOP_ALL
    assert door.on.log.of("break-glass")


async def test_break_glass_for_all(door: Door) -> None:
    """For everything it takes two, whatever the configuration says of resuming."""
    await door.kill()
    first = await door.lift("ana", "/v1/break-glass", ttl="1h")
    assert (first.status, door.mode()) == (202, Mode.STOP_WRITES)
    assert (await door.lift("ana", "/v1/break-glass", ttl="1h")).status == 202
    # A resume is another word.
    done = await door.lift("ben", "/v1/break-glass", ttl="1h")
    assert (done.status, done.json["by"], door.mode()) == (200, "ana+ben", Mode.RUN)
    await door.kill("eve")
    door.on.clock.move(3600)
    assert door.mode() is Mode.STOP_WRITES


async def test_drill(door: Door) -> None:
    """A drill goes all the way and back, stops nothing, is measured, and says so."""
    done = await door.post("/v1/kill/drill", "eve")
    assert (done.status, done.json["why"]) == (200, "")
    assert 0 <= done.json["here_s"] <= done.json["told_s"]
    kept = [(r.entry["mode"], r.entry["by"]) for r in await door.on.newest(4) if r.entry.get("scope") == "canary"]
    assert kept == [("stop-writes", "eve"), ("run", "eve")]
    assert (await door.on.admin("GET", "/v1/status")).json["kill"]["scopes"] == []
    measured = door.on.rooms.metrics.registry.get_sample_value
    assert measured("breakwater_kill_drill_timestamp_seconds") == door.on.clock.now().timestamp()
    assert measured("breakwater_kill_drill_seconds", {"until": "told"}) == done.json["told_s"]


@pytest.mark.parametrize("body", [b"x", b"[]", b'"all"', b'{"mode": "off"}', b'{"scope": 7}', b'{"mode": "STOP-ALL"}'])
async def test_no_order(body: bytes, door: Door) -> None:
    """A body that is no order stops nothing, and is told how it is said."""
    no = await door.on.admin("POST", "/v1/kill", body)
    assert no.status == 409
    assert set(no.json) == {"error", "hint"}
    assert door.mode() is Mode.RUN


async def test_begins_running(door: Door) -> None:
    """A folder that was empty runs, under its first record."""
    assert door.on.rooms.ledger.recovered.stops.by_scope[ALL].epoch == RUNNING.by_scope[ALL].epoch == 1


@pytest.mark.parametrize("path", ["/v1/resume", "/v1/break-glass"])
async def test_stopped_meanwhile(path: str, door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is stopped anew while the way back of an older stop is begun stays stopped."""
    await door.kill(scope="agent:support")
    observer = door.on.rooms.observer
    change = observer.change

    async def meanwhile(*arguments: Any) -> object:
        await door.kill("eve", scope="agent:support", mode="stop-all")
        return await change(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(observer, "change", meanwhile)
        no = await door.lift("ana", path, scope="agent:support", **({} if path == "/v1/resume" else {"ttl": "20m"}))
    assert (no.status, "stopped anew, by eve" in no.json["error"]) == (409, True)
    assert door.mode("agent:support") is Mode.STOP_ALL


async def test_glass_without_ramp(door: Door) -> None:
    """A glass that is broken while an earlier way back still holds writes back opens that, too."""
    await door.kill(scope="agent:support")
    assert (await door.lift("ana", scope="agent:support")).status == 200
    await door.kill(scope="agent:support")
    assert (await door.lift("ana", "/v1/break-glass", scope="agent:support", ttl="20m")).status == 200
    (way,) = [one for one in await door.on.rooms.store.breakers() if one.key == "kill:agent:support"]
    assert way.state is State.PASSING


async def test_no_name_any_more(door: Door) -> None:
    """What is stopped under a name that the configuration has no more, or never had, is lifted by that name."""
    await door.on.rooms.killswitch.order("agent:former", Mode.STOP_WRITES, "ana")
    assert (await door.lift("ana", scope="agent:former", full=True)).status == 200
    assert door.mode("agent:former") is Mode.RUN
