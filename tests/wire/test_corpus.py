from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.wire.case import MARK, REPEATS, Case, Fate, get
from tests.wire.client import Answer, Connection
from tests.wire.corpus import CLASSES
from tests.wire.parser import Message
from tests.wire.reading import read
from tests.wire.stand import SECRET_FORMS, Stand

# How long an end of the connection that is due may take; it comes at once, but machines can be busy.
END_S = 5.0

# A request that means one thing, sent behind a case on its own connection: whoever misread the case misreads this.
PROBE = b"/v1/customers/cus_probe"
PROBE_DOORS = {
    "stripe.files": b"/v1/nothing",
    "github": b"/repos/acme/probe",
    "shared": b"/stripe/v1/customers/cus_probe",
}

# Words that only an exception's text would hold.
TRACES = (b"Traceback", b'File "', b"Error:", b"aiohttp", b"Exception")


async def play(stand: Stand, case: Case) -> list[str]:
    """
    Send a case, and a probe behind it where the connection is still there; return what was wrong.
    """
    before = stand.echo.mark()
    connection = await Connection.to(stand.door(case.door))
    try:
        await connection.send(stand.filled(case.raw, case.door))
        answer = await connection.answer(head=case.is_head, wait_s=END_S)
        sent = stand.echo.since(before)
        faults = [*_judge(stand, case, answer, sent)]
        if case.closes:
            rest = await connection.rest(END_S)
            stand.seen += rest
            if not connection.closed:
                faults.append("the connection stays although its framing is in doubt")
            elif rest:
                faults.append(f"more than one answer: {rest[:60]!r}")
        elif answer is not None and not connection.closed:
            faults += await _probe(stand, case, connection)
        if stand.echo.unparsable:
            faults.append(f"the upstream cannot read {stand.echo.unparsable.pop()}")
    finally:
        await connection.end()
    return [f"{case.name}: {fault}" for fault in faults]


def _judge(stand: Stand, case: Case, answer: Answer | None, sent: list[Message]) -> Iterator[str]:
    if answer is None:
        if not case.silent:
            yield "no answer"
    else:
        stand.seen += answer.raw
    if len(sent) > 1:
        yield f"the upstream saw {len(sent)} requests"
    forwarded = bool(sent)
    if case.fate is Fate.REFUSED and forwarded:
        yield f"the upstream saw {sent[0].raw[:200]!r}"
    if case.fate is Fate.FORWARDED and not forwarded:
        yield f"refused: {answer and (answer.status, answer.reason, answer.body[:300])}"
    if answer is not None and not forwarded:
        yield from _refusal(case, answer)
    if forwarded:
        if answer is not None and answer.status != 200:
            yield f"forwarded and answered {answer.status}"
        yield from _sent(stand, case, sent[0])


def _refusal(case: Case, answer: Answer) -> Iterator[str]:
    if case.fate is Fate.REFUSED and answer.status not in case.statuses:
        yield f"refused as {answer.status} {answer.reason}, not as one of {sorted(case.statuses)[:4]}"
    if case.fate is not Fate.REFUSED and not 400 <= answer.status < 500:
        yield f"refused as {answer.status} {answer.reason}"
    if answer.reason in REPEATS:
        yield f"it is taken for another request: {answer.reason}"
    if answer.version not in {"HTTP/1.0", "HTTP/1.1"}:
        yield f"it is answered in {answer.version}"
    if answer.header("Breakwater-Dispatched") == "yes":
        yield "it says that it was dispatched"
    if MARK in answer.raw:
        yield f"the answer quotes the input: {answer.raw[:300]!r}"
    if found := [word for word in TRACES if word in answer.raw]:
        yield f"the answer holds {found}"
    if answer.header("Retry-After") is not None:
        yield "it asks for a retry that cannot succeed"


def _sent(stand: Stand, case: Case, message: Message) -> Iterator[str]:
    names = {name.lower().encode() for name, _ in message.headers}
    for piece in (stand.filled(one, case.door) for one in case.absent):
        short = piece.isalpha() and len(piece) <= 4
        if piece.lower() in names or (not short and piece.lower() in message.raw.lower()):
            yield f"{piece!r} was forwarded: {message.raw[:300]!r}"
    if case.target is not None and message.target != case.target:
        yield f"the target became {message.target!r}"
    if stand.key.encode() in message.raw:
        yield "the agent's key was forwarded"
    if sum(form in message.raw for form in SECRET_FORMS) != 1:
        yield "the real credential is not there, or not alone"
    if len(message.values("authorization")) != 1:
        yield "not one credential"
    read(message)


async def _probe(stand: Stand, case: Case, connection: Connection) -> list[str]:
    before = stand.echo.mark()
    path = PROBE_DOORS.get(case.door, PROBE)
    await connection.send(stand.filled(get(path), case.door))
    answer = await connection.answer(wait_s=END_S)
    if answer is None:
        return [] if connection.closed else ["a second request gets no answer"]
    stand.seen += answer.raw
    sent = [message.target.rpartition(b"/")[2] for message in stand.echo.since(before)]
    wanted = [] if case.door == "stripe.files" else [path.rpartition(b"/")[2]]
    if sent != wanted:
        return [f"the request behind it became {sent}, {answer.status} {answer.reason}"]
    return []


@pytest.mark.parametrize("name", CLASSES)
async def test_class(stand: Stand, name: str) -> None:
    """Every request of a class of the catalogue is refused, or forwarded once in canonical form, as the class says."""
    faults = [fault for case in CLASSES[name] for fault in await play(stand, case)]
    assert not faults, "\n".join(faults)
