"""When a call is sent to its upstream again: what the wire saw, how long it took, and what is known in the end."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import timedelta

import pytest

from breakers.call import Applied, Fault, Sent
from breakers.store.protocol import Permit, StoreUnavailable
from proxy.passes import Redo
from tests.ledger.world import START
from tests.proxy.forwarding import Permits, Site, forwarding
from tests.proxy.road import closed_port
from tests.proxy.scripted import HANG_UP, OK, Piece, answer

APPLIED, NOT_APPLIED, UNKNOWN = Applied.APPLIED, Applied.NOT_APPLIED, Applied.UNKNOWN
DROP: Sequence[Piece] = (HANG_UP,)
DONE: Sequence[Piece] = (OK,)
IN_USE = (answer(409, b'{"error": {"code": "in_use"}}'),)
GARBAGE = (b"\x16\x03\x01 nonsense\r\n\r\n", HANG_UP)


def says(status: int, *headers: str) -> Sequence[Piece]:
    """
    Return an answer of an upstream.
    """
    return (answer(status, b"{}", *headers),)


LATER, MUCH_LATER = says(503, "Retry-After: 3"), says(503, "Retry-After: 300")

# What the upstream answers, how often it was asked, what was waited in between, and what is known in the end.
UNDER_A_KEY = {
    "done": ([DONE], 1, [], APPLIED, 200),
    "dropped, then replayed": ([DROP, DONE], 2, [0.025], APPLIED, 200),
    "garbage, then replayed": ([GARBAGE, DONE], 2, [0.025], APPLIED, 200),
    "500, 500, replayed": ([says(500), says(500), DONE], 3, [0.025, 0.05], APPLIED, 200),
    "500 for ever": ([says(500)] * 4, 3, [0.025, 0.05], UNKNOWN, 500),
    "in use, then replayed": ([IN_USE, DONE], 2, [0.5], APPLIED, 200),
    "in use for ever": ([IN_USE] * 4, 3, [0.5, 1.0], UNKNOWN, 409),
    "dropped, then no credential": ([DROP, says(401), DONE], 2, [0.025], UNKNOWN, None),
    "dropped, throttled, replayed": ([DROP, says(429), DONE], 3, [0.025, 1.0], APPLIED, 200),
    "dropped, throttled for ever": ([DROP, says(429), says(429), DONE], 3, [0.025, 1.0], UNKNOWN, None),
    "dropped, then refused": ([DROP, says(400), DONE], 2, [0.025], NOT_APPLIED, 400),
    "dropped, then declined": ([DROP, says(402), DONE], 2, [0.025], NOT_APPLIED, 402),
    "asked to wait": ([LATER, DONE], 2, [3.0], APPLIED, 200),
    "asked to wait too long": ([MUCH_LATER, DONE], 1, [], UNKNOWN, 503),
    "refused": ([says(400), DONE], 1, [], NOT_APPLIED, 400),
    "throttled": ([says(429, "Retry-After: 1"), DONE], 1, [], NOT_APPLIED, 429),
    "redirected": ([says(302), DONE], 1, [], UNKNOWN, 302),
}


@pytest.mark.parametrize(("scripts", "asked", "waited", "applied", "status"), UNDER_A_KEY.values(), ids=UNDER_A_KEY)
async def test_under_a_key(
    scripts: list[Sequence[Piece]], asked: int, waited: list[float], applied: Applied, status: int | None
) -> None:
    """A write in doubt is sent at most twice more, the same bytes, and only a telling answer ends the doubt."""
    async with forwarding() as site:
        site.lay(*scripts)
        outcome = await site.forward.write(site.intent())
        assert (site.asked, site.waited) == (asked, waited)
        assert (outcome.applied, outcome.status, outcome.attempts) == (applied, status, asked)
        assert len({(one.line, str(one.headers), one.body) for one in site.upstream.asked}) == 1
        assert site.permits.asked == asked
        assert site.retried == [("stripe", "in-doubt")] * (asked - 1)


WITHOUT_A_KEY = {
    "dropped": (DROP, UNKNOWN),
    "garbage": (GARBAGE, UNKNOWN),
    "500": (says(500), UNKNOWN),
    "503": (says(503), UNKNOWN),
    "503 with a time": (says(503, "Retry-After: 0"), UNKNOWN),
    "in use": (IN_USE, UNKNOWN),
    "throttled": (says(429, "Retry-After: 0"), NOT_APPLIED),
}


@pytest.mark.parametrize(("script", "applied"), WITHOUT_A_KEY.values(), ids=WITHOUT_A_KEY)
async def test_without_a_key(script: Sequence[Piece], applied: Applied) -> None:
    """A write to a vendor that honours no keys is one request on the wire, however it ends."""
    async with forwarding() as site:
        site.lay(script)
        outcome = await site.forward.write(site.intent(key=False))
        assert (site.asked, site.waited, outcome.applied) == (1, [], applied)


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
@pytest.mark.parametrize("reused", [False, True])
async def test_dropped_keep_alive(method: str, reused: bool) -> None:
    """A connection that drops under a write without a key costs one request, fresh or kept alive."""
    async with forwarding() as site:
        if reused:
            await site.forward.write(site.intent(key=False))
        site.lay(DROP)
        outcome = await site.forward.write(site.intent(key=False, method=method))
        assert (outcome.applied, outcome.attempts) == (UNKNOWN, 1)
        assert site.asked - reused == 1 == site.upstream.connections


async def test_past_the_horizon() -> None:
    """An hour before a vendor may forget its key nothing is sent under it any more."""
    async with forwarding() as site:
        site.lay(DROP, DROP)
        young = await site.forward.write(site.intent(at=START - timedelta(hours=22, minutes=59)))
        assert (young.applied, site.asked) == (APPLIED, 3)
        site.lay(DROP)
        old = await site.forward.write(site.intent(at=START - timedelta(hours=23)))
        assert (old.applied, site.asked) == (UNKNOWN, 4)


@pytest.mark.filterwarnings("ignore:Sending a large body:ResourceWarning")
async def test_large_body() -> None:
    """A write of more than a mebibyte is left in doubt instead of being sent three times."""
    async with forwarding() as site:
        site.lay(says(503))
        outcome = await site.forward.write(site.intent(body=b"a" * (1024 * 1024 + 1)))
        assert (outcome.applied, site.asked) == (UNKNOWN, 1)


HELD_BACK = {
    "stopped": ([Permit.STOPPED], Fault.STOPPED),
    "taken over": ([Permit.LOST], Fault.LOST),
    "store gone": ([StoreUnavailable("no")], Fault.UNASKED),
}


@pytest.mark.parametrize(("permits", "fault"), HELD_BACK.values(), ids=HELD_BACK)
async def test_held_back(permits: list[Permit | Exception], fault: Fault) -> None:
    """What is held back at the last moment is not sent, not sent again, and no doubt."""
    async with forwarding() as site:
        site.permits.says += permits
        outcome = await site.forward.write(site.intent())
        assert (outcome.applied, outcome.sent, outcome.fault) == (NOT_APPLIED, Sent.NO, fault)
        assert (site.asked, site.waited) == (0, [])


@pytest.mark.parametrize("permits", [row[0] for row in HELD_BACK.values()], ids=HELD_BACK)
async def test_held_back_later(permits: list[Permit | Exception]) -> None:
    """A re-send that is held back proves nothing: what the first attempt did stays in doubt."""
    async with forwarding() as site:
        site.lay(DROP)
        site.permits.says += [Permit.GRANTED, *permits]
        outcome = await site.forward.write(site.intent())
        assert (outcome.applied, outcome.sent, outcome.attempts) == (UNKNOWN, Sent.YES, 2)
        assert site.asked == 1


@pytest.mark.parametrize(("stall_s", "sent"), [(1.9, True), (2.1, False), (300, False)])
async def test_stalled(stall_s: float, sent: bool) -> None:
    """A process that was stopped between its permit and the first byte for more than two seconds sends nothing."""
    async with forwarding() as site:

        async def stalling() -> Permit:
            site.clock.move(stall_s)
            return Permit.GRANTED

        site.permits.says += [stalling]
        outcome = await site.forward.write(site.intent())
        assert (outcome.fault, outcome.applied) == ((None, APPLIED) if sent else (Fault.LATE, NOT_APPLIED))
        assert site.asked == sent


@pytest.mark.parametrize("key", [True, False])
async def test_nobody_listens(key: bool) -> None:
    """A write of which no byte left is tried once more at once and once after a delay, and asks for no permit."""
    async with forwarding(closed_port()) as site:
        outcome = await site.forward.write(site.intent(key=key))
        assert (outcome.applied, outcome.sent, outcome.fault) == (NOT_APPLIED, Sent.NO, Fault.CONNECT)
        assert (outcome.attempts, site.waited, site.permits.asked) == (3, [0.0, 0.05], 0)
        assert site.retried == [("stripe", "unsent")] * 2


async def test_back_again() -> None:
    """An upstream that listens again by the second attempt gets the write once."""
    port = closed_port()
    async with forwarding(port) as site:

        async def listen() -> None:
            server.append(await asyncio.start_server(site.upstream.serve, "127.0.0.1", port))

        server: list[asyncio.Server] = []
        site.in_pause = listen
        outcome = await site.forward.write(site.intent(key=False))
        server[0].close()
        assert (outcome.applied, outcome.attempts, site.asked, site.permits.asked) == (APPLIED, 2, 1, 1)


async def test_caller_is_told() -> None:
    """Where another connection could outlast the caller, it is told at once that nothing was sent."""
    async with forwarding(closed_port()) as site:
        outcome = await site.forward.write(site.intent(deadline_ms=5000))
        assert (outcome.applied, outcome.attempts) == (NOT_APPLIED, 1)


async def test_doubt_then_unsent() -> None:
    """An upstream that took the write and then went away leaves it in doubt, whatever could not be sent since."""
    port = closed_port()
    async with forwarding(port) as site:
        server = await asyncio.start_server(site.upstream.serve, "127.0.0.1", port)

        async def go_away() -> None:
            server.close()

        site.in_pause = go_away
        site.lay(DROP)
        outcome = await site.forward.write(site.intent())
        assert (outcome.applied, outcome.sent, outcome.attempts, site.asked) == (UNKNOWN, Sent.YES, 3, 1)


async def test_cancelled_before_it_left() -> None:
    """A stop that cuts a write short before its first byte is its end, and nothing is sent after it."""
    async with forwarding() as site:
        at_the_gate = asyncio.Event()

        async def waiting() -> Permit:
            at_the_gate.set()
            await asyncio.Event().wait()
            return Permit.GRANTED

        site.permits.says += [waiting]
        task = asyncio.create_task(site.forward.write(site.intent()))
        await at_the_gate.wait()
        task.cancel()
        outcome = await task
        assert (outcome.applied, outcome.fault, outcome.attempts) == (NOT_APPLIED, Fault.ABANDONED, 1)
        assert (site.asked, site.waited) == (0, [])


async def test_cancelled_in_a_pause() -> None:
    """A stop that comes while a re-send is waited for ends the write as it stands."""
    async with forwarding() as site:

        async def cancelled() -> None:
            raise asyncio.CancelledError

        site.in_pause = cancelled
        site.lay(DROP)
        outcome = await site.forward.write(site.intent())
        assert (outcome.applied, outcome.attempts, site.asked) == (UNKNOWN, 1, 1)


async def test_total_is_bounded() -> None:
    """A write is not sent again once its whole time would have passed."""
    async with forwarding() as site:
        site.lay(says(503, "Retry-After: 40"), says(503, "Retry-After: 40"), DONE)
        outcome = await site.forward.write(site.intent())
        assert (outcome.applied, site.waited, site.asked) == (UNKNOWN, [40.0], 2)


READS = {
    "answered": ([DONE], 1, [], 200),
    "503, then answered": ([says(503), DONE], 2, [0.025], 200),
    "503 for ever": ([says(503)] * 4, 3, [0.025, 0.05], 503),
    "dropped, dropped, answered": ([DROP, DROP, DONE], 3, [0.025, 0.05], 200),
    "throttled, then answered": ([says(429), DONE], 2, [0.5], 200),
    "throttled with a time": ([says(429, "Retry-After: 2"), DONE], 2, [2.0], 200),
    "throttled by another header": ([says(429, "X-RateLimit-Reset: 4"), DONE], 2, [4.0], 200),
    "throttled for too long": ([says(429, "Retry-After: 30"), DONE], 1, [], 429),
    "not found": ([says(404), DONE], 1, [], 404),
    "not implemented": ([says(501), DONE], 1, [], 501),
    "encoded": ([says(200, "Content-Encoding: gzip"), DONE], 1, [], 200),
}


@pytest.mark.parametrize(("scripts", "asked", "waited", "status"), READS.values(), ids=READS)
async def test_reads(scripts: list[Sequence[Piece]], asked: int, waited: list[float], status: int) -> None:
    """A read that failed or was throttled is sent at most twice more, before a byte of an answer was shown."""
    async with forwarding() as site:
        site.lay(*scripts)
        reading = await site.forward.read(site.look())
        body = b"".join([piece async for piece in reading.chunks])
        await reading.close()
        assert (site.asked, site.waited, reading.outcome.status) == (asked, waited, status)
        assert reading.outcome.attempts == asked
        assert body == {200: b'{"ok":true}'}.get(status, b"{}") or reading.outcome.fault is Fault.MALFORMED


async def test_deadline() -> None:
    """A caller who waits two seconds has the throttled answer at once, with its header."""
    async with forwarding() as site:
        site.lay(says(429, "Retry-After: 30"))
        reading = await site.forward.read(site.look(deadline_ms=2000))
        await reading.close()
        assert (site.asked, site.waited, reading.outcome.status) == (1, [], 429)
        assert ("retry-after", "30") in reading.outcome.headers


async def test_begun_answer() -> None:
    """A read whose body breaks off after it began is not sent again."""
    async with forwarding() as site:
        site.lay((OK.replace(b"Content-Length: 11", b"Content-Length: 99"), HANG_UP))
        reading = await site.forward.read(site.look())
        assert b'{"ok":true}'.startswith(b"".join([piece async for piece in reading.chunks]))
        assert (site.asked, reading.outcome.fault, reading.whole) == (1, Fault.TRUNCATED, False)


@pytest.mark.parametrize(("scripts", "asked"), [([says(503), DONE], 2), ([says(503)] * 3, 2), ([LATER, DONE], 1)])
async def test_looks(scripts: list[Sequence[Piece]], asked: int) -> None:
    """A look that a judgement waits for is sent at most once more, inside its own time."""
    async with forwarding() as site:
        site.lay(*scripts)
        reading = await site.forward.read(site.look(total_s=2.0))
        await reading.close()
        assert site.asked == asked


async def test_sent_stays_sent() -> None:
    """A read that was answered once and could not be sent again does not claim that nothing was sent."""
    port = closed_port()
    async with forwarding(port) as site:
        server = await asyncio.start_server(site.upstream.serve, "127.0.0.1", port)

        async def go_away() -> None:
            server.close()

        site.in_pause = go_away
        site.lay((*says(503, "Connection: close"), HANG_UP))
        reading = await site.forward.read(site.look())
        assert (reading.outcome.sent, reading.outcome.status, reading.outcome.attempts) == (Sent.YES, None, 3)


async def test_budget() -> None:
    """An upstream that fails every read gets a tenth more of them, and three."""
    async with forwarding() as site:
        site.lay(*[says(503)] * 200)
        for _ in range(40):
            reading = await site.forward.read(site.look())
            await reading.close()
        assert 44 <= site.asked <= 40 * 1.1 + 3
        site.clock.move(10)
        asked = site.asked
        reading = await site.forward.read(site.look())
        await reading.close()
        assert site.asked - asked == 3


def redo(site: Site, permits: Permits, *, age_h: float = 1) -> Redo:
    """
    Return the pass of a write in doubt.
    """
    call = site.intent().held.go.call
    return Redo(call.id, "stripe", "api", call.operation.spec, START - timedelta(hours=age_h), permits.dispatch, call)


REDONE = {
    "replayed": ([DONE], 1, APPLIED, 200),
    "refused": ([says(400)], 1, NOT_APPLIED, 400),
    "dropped, then replayed": ([DROP, DONE], 2, APPLIED, 200),
    "refused at the door": ([says(401)], 1, UNKNOWN, None),
    "throttled for ever": ([says(429)] * 4, 3, UNKNOWN, None),
    "500, replayed for ever": ([says(500)] * 4, 3, UNKNOWN, 500),
}


@pytest.mark.parametrize(("scripts", "asked", "applied", "status"), REDONE.values(), ids=REDONE)
async def test_redone(scripts: list[Sequence[Piece]], asked: int, applied: Applied, status: int | None) -> None:
    """A write in doubt that is sent again stays in doubt until an answer tells about every attempt before."""
    async with forwarding() as site:
        site.lay(*scripts)
        outcome = await site.forward.resend(redo(site, site.permits), site.wire("POST", b"a=1", key=True))
        assert (outcome.applied, outcome.status, outcome.attempts, site.asked) == (applied, status, asked, asked)


async def test_not_redone() -> None:
    """Nothing of a write in doubt is sent without its key, past its key's time, or once writes are stopped."""
    async with forwarding() as site:
        wire, stopped = site.wire("POST", b"a=1", key=True), Permits([Permit.STOPPED])
        keyless = site.wire("POST", b"a=1", key=False)
        tried = [
            await site.forward.resend(redo(site, site.permits), keyless),
            await site.forward.resend(redo(site, site.permits, age_h=23), wire),
            await site.forward.resend(redo(site, stopped), wire),
        ]
        assert [(one.applied, one.sent) for one in tried] == [(UNKNOWN, Sent.YES)] * 3
        assert (site.asked, site.permits.asked, stopped.asked) == (0, 0, 1)


async def test_redone_nobody_listens() -> None:
    """A write in doubt that cannot be sent now stays in doubt."""
    async with forwarding(closed_port()) as site:
        outcome = await site.forward.resend(redo(site, site.permits), site.wire("POST", b"a=1", key=True))
        assert (outcome.applied, outcome.attempts, site.permits.asked) == (UNKNOWN, 3, 0)
