"""The log: one JSON object a line, only names, codes and numbers, whatever is thrown at it."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from loadtest.upstreams.stripe import StripeSandbox
from proxy.logline import JsonLog, LibraryLines
from tests.ledger.world import StillClock
from tests.proxy.road import SECRET, call_of, charged, road

TRACE = "00-" + "a" * 32 + "-" + "b" * 16 + "-01"


@pytest.fixture
def stream() -> io.StringIO:
    """
    Give a stream that keeps what is written.
    """
    return io.StringIO()


@pytest.fixture
def log(stream: io.StringIO) -> Iterator[JsonLog]:
    """
    Give a log onto that stream.
    """
    made = JsonLog(StillClock(), stream)
    yield made
    made.close()


def lines(log: JsonLog, stream: io.StringIO) -> list[Any]:
    """
    Close the log and return what it wrote.
    """
    log.close()
    return [json.loads(line) for line in stream.getvalue().split("\n")[:-1]]


def test_one_line(log: JsonLog, stream: io.StringIO) -> None:
    """An event is one line with its time and its fields, whatever characters the fields hold."""
    log.event("ready", doors="a\nb\u2028c\x00")
    log.write({"event": "call", "status": 200})
    first, second = lines(log, stream)
    assert first == {"ts": "2026-11-21T12:00:00.000000Z", "event": "ready", "doors": "a\nb\u2028c\x00"}
    assert second == {"event": "call", "status": 200}
    assert stream.getvalue().count("\n") == 2


def test_failure(log: JsonLog, stream: io.StringIO) -> None:
    """What nobody foresaw is its class and where it rose, never its text."""
    try:
        raise ValueError(SECRET)
    except ValueError as error:
        log.failure("C1", error)
    (line,) = lines(log, stream)
    assert (line["event"], line["call"], line["error"]) == ("failure", "C1", "ValueError")
    assert line["at"][-1].startswith("test_failure:")
    assert SECRET not in stream.getvalue()


def test_libraries(log: JsonLog, stream: io.StringIO) -> None:
    """What a library warns of is its logger and its exception's class, never its message."""
    handler = LibraryLines(log)
    record = logging.LogRecord("aiohttp.server", logging.ERROR, "f.py", 1, f"peer sent {SECRET}", None, None, "handle")
    try:
        raise ConnectionError(SECRET)
    except ConnectionError as error:
        record.exc_info = (type(error), error, error.__traceback__)
    handler.handle(record)
    (line,) = lines(log, stream)
    assert (line["logger"], line["level"], line["error"]) == ("aiohttp.server", "ERROR", "ConnectionError")
    assert SECRET not in stream.getvalue()


def test_closed_stream() -> None:
    """A stream that cannot be written to loses lines and says how many, and nobody is kept from going on."""
    gone = io.StringIO()
    gone.close()
    log = JsonLog(StillClock(), gone)
    for _ in range(3):
        log.event("ready")
    log.close()
    assert log.lost == 3


async def test_line_of_a_call(tmp_path: Path) -> None:
    """Each call leaves one line: who, what, how judged, how ended, how long; no path, argument, key or body."""
    async with StripeSandbox(secret=SECRET) as sandbox, road(tmp_path, sandbox.url) as on:
        charge = charged(sandbox)
        headers = (("Idempotency-Key", "order-4711"), ("traceparent", TRACE))
        form = {"charge": charge, "amount": 1200, "reason": "duplicate"}
        done = await on.ask("POST", "/v1/refunds", form=form, headers=headers)
        refused = await on.ask("POST", "/v1/payouts", form={"amount": 1, "currency": "usd"})
        nobody = await on.ask("GET", f"/v1/charges/{charge}", key="")
    yes, no, edge = on.log.of("call")
    assert (yes["call"], no["call"], edge["call"]) == (call_of(done), call_of(refused), call_of(nobody))
    assert {
        name: yes[name] for name in ("door", "api", "agent", "task", "operation", "effect", "verdict", "reason")
    } == {
        "door": "stripe",
        "api": "stripe",
        "agent": "support",
        "task": "support/2026-11-21",
        "operation": "refunds.create",
        "effect": "irreversible",
        "verdict": "forward",
        "reason": "",
    }
    assert (yes["status"], yes["outcome"], yes["dispatched"], yes["trace"]) == (200, "executed", "yes", TRACE)
    stages = ["inbound", "identify", "classify", "decide", "look", "reserve", "intent", "forward", "outcome", "settle"]
    assert list(yes["stages"]) == stages  # type: ignore[call-overload] # a log's line is only known to hold objects
    assert (no["verdict"], no["reason"], no["dispatched"]) == ("refuse", "not-allowed", "no")
    assert (edge["verdict"], edge["reason"], edge["agent"], edge["operation"]) == ("edge", "key-missing", "", "")
    for word in (charge, "1200", "order-4711", "duplicate", "/v1/"):
        assert word not in str([yes, no, edge])


def test_one_line_lost(log: JsonLog, stream: io.StringIO) -> None:
    """A line that cannot be spelled is lost alone, whatever is written together with it."""
    log._write([{"event": "before"}, {"event": "\udc80"}, {"event": "behind"}])
    assert [line["event"] for line in lines(log, stream)] == ["before", "behind"]
    assert log.lost == 1
