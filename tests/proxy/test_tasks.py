"""Tasks and their tokens on the road: who may do what under them, until when, and what is on record of it."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from breakers.task import Closed
from loadtest.installation import agent
from proxy.errors import StartRefused
from proxy.identify import EXPIRED, UNKNOWN
from tests.proxy.road import SUPPORT, Headers, Road, call_of, marks, road, soon
from tests.proxy.scripted import Scripted, answer, scripted
from tests.proxy.tasked import mint, named, narrower, open_task, said, under
from tests.wire.client import Answer

PASSED = (200, "allowed")
REFUND = {"charge": "ch_1", "amount": 500}
CHARGE = answer(200, b'{"id":"ch_1","object":"charge","currency":"usd","amount":5000,"amount_refunded":0}')


@pytest_asyncio.fixture
async def upstream() -> AsyncIterator[Scripted]:
    """
    Give an upstream that looks.
    """
    async with scripted() as peer:
        yield peer


@pytest_asyncio.fixture
async def on(upstream: Scripted, tmp_path: Path) -> AsyncIterator[Road]:
    """
    Give a road whose third agent does some things only under a task.
    """
    careful = agent({"stripe": {"customers.*": {}, "customers.create": {"task": "required"}}})
    agents = {"support": SUPPORT, "platform": agent({"stripe": {"*": {}}}), "careful": careful}
    async with road(tmp_path, upstream.url, agents=agents) as running:
        yield running


async def test_under_a_token(on: Road) -> None:
    """A call under a task's token is recorded under the task, with the token's id, its narrowing and the labels."""
    labels = {"model": "m-4.1", "prompt": "refunds@12", "record": "ticket:4711", "trace": "4bf92f3577b34da6"}
    task, token = await open_task(on, **labels)
    tid = on.rooms.tokens.verify(token)
    assert tid is not None
    for text, actor in (
        (token, {"agent": "support", "tok": tid.ids[0]}),
        (narrower(token, "r=customers.*:rw", "n=9"), {"agent": "support", "tok": tid.ids[0], "cav_n": 2}),
    ):
        done = await under(on, text)
        assert done.status == 200
        entry = (await on.opened(call_of(done)))[-1]["entry"]
        assert (entry["task"], entry["act"]) == (task.id, actor)
        assert entry["lab"] == {"model": "m-4.1", "prompt": "refunds@12", "rec": "ticket:4711"}
    assert on.log.of("call")[-1]["task"] == task.id


async def test_without_a_task(on: Road) -> None:
    """A call that names no task belongs to its agent's task of the day, and bears no labels."""
    done = await on.ask("GET", "/v1/customers")
    entry = (await on.opened(call_of(done)))[-1]["entry"]
    assert entry["task"] == f"support/{on.clock.now().date().isoformat()}"
    assert "lab" not in entry


async def test_named(on: Road) -> None:
    """Under its own key an agent may name a task that was opened for it."""
    task, _ = await open_task(on, record="ticket:1")
    done = await named(on, task.id)
    assert done.status == 200
    entry = (await on.opened(call_of(done)))[-1]["entry"]
    assert (entry["task"], entry["lab"]) == (task.id, {"rec": "ticket:1"})


async def test_named_wrong(on: Road, upstream: Scripted) -> None:
    """A task of another agent is answered exactly as one that is not there, and so is whatever is none."""
    (foreign, _), (own, token) = await open_task(on, "platform"), await open_task(on)
    day = f"support/{on.clock.now().date().isoformat()}"
    # Whatever its last letter is, this is another one.
    near = own.id[:-1] + ("1" if own.id.endswith("0") else "0")
    names = [foreign.id, near, f"platform/{own.id[-26:]}", day, "support/", "x", "support/" + "0" * 8000]
    answers = [await named(on, name) for name in names]
    answers += [await under(on, token, headers=[("Breakwater-Task", other)]) for other in (foreign.id, day)]
    assert {said(one) for one in answers} == {(403, "task-unknown")}
    assert len({one.body.replace(call_of(one).encode(), b"") for one in answers}) == 1
    assert {marks(one)[2:] for one in answers} == {("no", "identify:task-unknown")}
    assert upstream.asked == []
    assert (await under(on, token, headers=[("Breakwater-Task", own.id)])).status == 200
    # A known agent's refusals are on record, under a task that there is.
    entry = (await on.opened(call_of(answers[0])))[-1]["entry"]
    assert (entry["task"], entry["pol"]["reasons"]) == (day, ["task-unknown"])


async def test_closed(on: Road, upstream: Scripted) -> None:
    """Under a task that is closed nothing is done, whether by its token or by its name, and it is on record why."""
    task, token = await open_task(on)
    await on.rooms.tasks.close(task.id)
    answers = [await under(on, token), await named(on, task.id)]
    assert {said(one) for one in answers} == {(403, "task-closed")}
    assert upstream.asked == []
    kinds = [(one.kind, one.entry.get("why")) for one in await on.newest() if one.entry["task"] == task.id]
    assert kinds[:3] == [("task.opened", None), ("token.minted", None), ("task.closed", "done")]
    assert (await on.rooms.tasks.close(task.id)).closed is Closed.DONE


async def test_expired(on: Road) -> None:
    """A task is over once its time is, at that moment, and within a minute that is on record."""
    task, token = await open_task(on, ttl="10m")
    on.clock.move(599)
    assert (await under(on, token)).status == 200
    on.clock.move(2)
    assert said(await under(on, token)) == (401, "token-expired")
    assert said(await named(on, task.id)) == (403, "task-closed")
    assert await on.rooms.tasks.listed() == ()
    await on.rooms.tasks.sweep()
    assert [(one.kind, one.entry["why"]) for one in await on.newest(3) if one.kind == "task.closed"] == [
        ("task.closed", "expired")
    ]
    await on.rooms.tasks.sweep()
    assert len([one for one in await on.newest(9) if one.kind == "task.closed"]) == 1


async def test_life_bounds(on: Road) -> None:
    """A task lives for an hour where nobody says otherwise, and for a day at most."""
    task, token = await open_task(on)
    assert (task.expires_at - on.clock.now()).total_seconds() == 3600
    assert (await open_task(on, ttl="24h"))[0].is_open(task.expires_at)
    for ttl in ("25h", "500ms"):
        with pytest.raises(StartRefused):
            await open_task(on, ttl=ttl)
    verified = on.rooms.tokens.verify(token)
    assert verified is not None
    assert verified.expires_at == task.expires_at


async def test_not_yet(on: Road) -> None:
    """A token that is narrowed to later is not valid before, and says no more about it than an expired one."""
    _, token = await open_task(on)
    later = narrower(token, f"nbf={int(on.clock.now().timestamp()) + 60}")
    no = await under(on, later)
    assert said(no) == (401, "token-expired")
    assert EXPIRED in no.json["error"]["message"]
    on.clock.move(61)
    assert (await under(on, later)).status == 200


async def test_revoked(on: Road, upstream: Scripted) -> None:
    """A revoked token is refused with all that were narrowed from it; those beside it and above it are not."""
    task, token = await open_task(on)
    beside, child = await mint(on, task), narrower(token, "n=50")
    grandchild = narrower(child, "m=GET")
    await on.rooms.tasks.revoke(child)
    assert [said(await under(on, one))[0] for one in (token, beside, child, grandchild)] == [200, 200, 401, 401]
    await on.rooms.tasks.revoke(on.rooms.tokens.verify(token).ids[0])  # type: ignore[union-attr] # it is one
    assert [said(await under(on, one))[0] for one in (token, beside, child)] == [401, 200, 401]
    assert len(upstream.asked) == 3
    no = await under(on, child)
    assert (said(no), EXPIRED in no.json["error"]["message"]) == ((401, "token-expired"), True)


async def test_revoked_while_others_end(on: Road) -> None:
    """A revocation waits for nothing else that is done with tasks."""
    _, token = await open_task(on)
    async with on.rooms.tasks._turn:
        await asyncio.wait_for(on.rooms.tasks.revoke(token), 5)
        assert said(await under(on, token)) == (401, "token-expired")


async def test_revoked_meanwhile(on: Road, upstream: Scripted) -> None:
    """A token that is revoked while its write is judged: the write is not sent."""
    _, token = await open_task(on)
    held = asyncio.Event()
    upstream.then(held, CHARGE)
    asked = asyncio.create_task(under(on, token, "POST", "/v1/refunds", form=REFUND))
    await soon(lambda: upstream.asked)
    await on.rooms.tasks.revoke(token)
    held.set()
    assert said(await asked) == (401, "token-expired")
    assert not any(one.line.startswith("POST") for one in upstream.asked)


async def test_closed_meanwhile(on: Road, upstream: Scripted) -> None:
    """A task that is closed while its write is judged: the write is not sent."""
    task, token = await open_task(on)
    held = asyncio.Event()
    upstream.then(held, CHARGE)
    asked = asyncio.create_task(under(on, token, "POST", "/v1/refunds", form=REFUND))
    await soon(lambda: upstream.asked)
    await on.rooms.tasks.close(task.id)
    held.set()
    assert said(await asked) == (403, "task-closed")
    assert not any(one.line.startswith("POST") for one in upstream.asked)


async def test_required(on: Road, upstream: Scripted) -> None:
    """What a card wants done under an opened task only is refused under the task of the day, and passes under one."""
    no = await on.ask("POST", "/v1/customers", agent="careful", form={"email": "a@example.com"})
    assert (said(no), marks(no)[3]) == ((403, "task-required"), "allowlist:task-required")
    assert upstream.asked == []
    _, token = await open_task(on, "careful")
    assert (await under(on, token, "POST", form={"email": "a@example.com"})).status == 200
    assert (await on.ask("GET", "/v1/customers", agent="careful")).status == 200


ELSEWHERE = {
    "another network": "ip=10.0.0.0/8",
    "another family": "ip=2001:db8::/32",
    "a user, over a network": f"peer={os.getuid()}",
    "another environment": "env=production",
}


@pytest.mark.parametrize("name", ELSEWHERE)
async def test_shown_from_elsewhere(name: str, on: Road) -> None:
    """A token that is shown from where it may not be is no key at all, in the words of any other that is none."""
    _, token = await open_task(on)
    no, forged = await under(on, narrower(token, ELSEWHERE[name])), await under(on, f"{token[:-4]}AAAA")
    assert said(no) == said(forged) == (401, "key-unknown")
    assert UNKNOWN in no.json["error"]["message"]
    assert no.body.replace(call_of(no).encode(), b"") == forged.body.replace(call_of(forged).encode(), b"")
    assert (await under(on, narrower(token, "ip=10.0.0.0/8|127.0.0.0/8", "env=test"))).status == 200


async def test_peer(upstream: Scripted, tmp_path: Path) -> None:
    """On a unix socket a token may be bound to the user that its caller runs as."""
    doors = {"stripe": f"unix:{tmp_path}/stripe.sock"}
    async with road(tmp_path / "road", upstream.url, doors=doors) as on:
        _, token = await open_task(on)
        mine, other = narrower(token, f"peer={os.getuid()}"), narrower(token, f"peer={os.getuid() + 1}")
        assert (await under(on, mine)).status == 200
        assert said(await under(on, other)) == (401, "key-unknown")
        assert said(await under(on, narrower(token, "ip=127.0.0.1"))) == (401, "key-unknown")


async def test_narrowed(on: Road, upstream: Scripted) -> None:
    """A narrowed token cannot do what its parent can, and says which caveat stands against it."""
    _, token = await open_task(on)
    reads = narrower(token, "r=customers.*:r")
    assert (await under(on, reads)).status == 200
    no = await under(on, reads, "POST", form={"email": "a@example.com"})
    assert (said(no), marks(no)[3]) == ((403, "token-narrowed"), "token:token-narrowed")
    assert no.json["error"]["breakwater"]["caveat"] == "r=customers.*:r"
    assert (await under(on, token, "POST", form={"email": "a@example.com"})).status == 200
    assert [one.line.split()[0] for one in upstream.asked] == ["GET", "POST"]


@pytest.mark.parametrize("key", [(), (("Idempotency-Key", "k-1"),)], ids=["without a key", "under its key"])
async def test_no_answer_of_its_parent(key: Headers, on: Road, upstream: Scripted) -> None:
    """Whoever may not make a write is not given the answer of one that its parent made, which has it given again."""
    _, token = await open_task(on)
    form, again = {"email": "a@example.com"}, (*key, ("X-Stainless-Retry-Count", "1"))
    first = await under(on, token, "POST", form=form, headers=key)
    assert said(await under(on, narrower(token, "m=GET"), "POST", form=form, headers=again)) == (403, "token-narrowed")
    repeated = await under(on, token, "POST", form=form, headers=again)
    assert (repeated.body, marks(repeated)[1]) == (first.body, "replayed")
    assert len(upstream.asked) == 1


async def test_counted(on: Road) -> None:
    """A token that was narrowed to a number of calls has that many, shared by those that were made of it."""
    _, token = await open_task(on)
    three = narrower(token, "n=3")
    one, other = narrower(three, "m=GET"), narrower(three, "n=2", "m=GET|POST")
    done = [said(await under(on, text)) for text in (one, other, one, other, one)]
    assert done == [PASSED] * 3 + [(403, "budget-exhausted")] * 2
    assert (await under(on, token)).status == 200


async def test_part_of_another(on: Road) -> None:
    """A task that is part of another takes of its caps, ends with it, and is as deep as three."""
    parent, _ = await open_task(on, caps={"calls": 2}, ttl="30m")
    child, token = await open_task(on, "platform", parent=parent.id, caps={"calls": 9})
    assert [above.id for above in child.above] == [parent.id]
    assert child.expires_at == parent.expires_at
    done = [said(await under(on, token)) for _ in range(3)]
    assert done == [PASSED, PASSED, (403, "budget-exhausted")]
    assert said(await named(on, parent.id)) == (403, "budget-exhausted")
    deeper, _ = await open_task(on, parent=child.id)
    deepest, _ = await open_task(on, parent=deeper.id)
    with pytest.raises(StartRefused, match="part of 3"):
        await open_task(on, parent=deepest.id)
    await on.rooms.tasks.close(child.id)
    states = [on.rooms.tasks.state((await on.rooms.tasks.shown(one.id))[0]) for one in (parent, child, deeper, deepest)]
    assert states == ["open", "done", "orphaned", "orphaned"]
    assert said(await under(on, token)) == (403, "task-closed")


async def test_card_lost(on: Road) -> None:
    """A task of an agent that has no card any more is orphaned."""
    (lost, token), (kept, _) = await open_task(on, "careful"), await open_task(on)
    on.rooms.tasks.agents = frozenset({"support"})
    await on.rooms.tasks.sweep()
    assert [task.id for task in await on.rooms.tasks.listed()] == [kept.id]
    assert (await on.rooms.tasks.shown(lost.id))[0].closed is Closed.ORPHANED
    assert said(await under(on, token)) == (403, "task-closed")


NOT_OPENED: dict[str, dict[str, object]] = {
    "no card": {"agent": "nobody"},
    "no such parent": {"parent": "support/01M7YZDQY12XJKES0GC4ZSQHB4"},
    "a label that is a sentence": {"record": "the refund for John Doe"},
    "a caveat that nobody knows": {"caveats": ["later=1"]},
    "its own task": {"caveats": ["t=support/01M7YZDQY12XJKES0GC4ZSQHB4"]},
    "no such API": {"for": "github"},
    "a cap without a currency": {"caps": {"moved": 200}},
    "a cap that is no count": {"caps": {"calls": -1}},
    "what is not known": {"budget": 5},
    "too many caveats": {"caveats": ["n=1"] * 17},
    "a token that is too long": {"caveats": [f"r={'a' * 100}:rw"] * 4},
}


@pytest.mark.parametrize("name", NOT_OPENED)
async def test_not_opened(name: str, on: Road) -> None:
    """What cannot be opened is refused with what to do instead, and nothing is on record of it."""
    size = on.rooms.ledger.size
    with pytest.raises(StartRefused) as no:
        await open_task(on, **{"agent": "support", **NOT_OPENED[name]})  # type: ignore[arg-type] # as it comes
    assert no.value.hint
    assert on.rooms.ledger.size == size


async def test_after_a_restart(upstream: Scripted, tmp_path: Path) -> None:
    """What was opened, closed, revoked and counted stays so when the program is started again."""
    async with road(tmp_path, upstream.url) as on:
        (open_, token), (closed, _) = await open_task(on, caps={"calls": 2}), await open_task(on)
        revoked = await mint(on, open_)
        await on.rooms.tasks.close(closed.id)
        await on.rooms.tasks.revoke(revoked)
        assert (await under(on, token)).status == 200
        before = await on.rooms.store.tasks(), await on.rooms.store.totals(f"task:{open_.id}")
    async with road(tmp_path, upstream.url) as on:
        assert [task.id for task in await on.rooms.store.tasks()] == [task.id for task in before[0]]
        assert said(await under(on, revoked)) == (401, "token-expired")
        assert said(await named(on, closed.id)) == (403, "task-closed")
        assert (await under(on, token)).status == 200
        assert said(await under(on, token)) == (403, "budget-exhausted")


def holding(folder: Path, secret: bytes) -> list[Path]:
    """
    Return the files below a folder that hold a secret.
    """
    return [path for path in folder.rglob("*") if path.is_file() and secret in path.read_bytes()]


async def test_nowhere(on: Road, tmp_path: Path) -> None:
    """The text of a token is in no file, no line of the log, no metric and no record, however it was used."""
    _, token = await open_task(on)
    child = narrower(token, "m=GET")
    answers: list[Answer] = [await under(on, text) for text in (token, child, f"{token[:-4]}AAAA")]
    answers.append(await on.ask("GET", f"/v1/customers/{token}"))
    answers.append(await on.ask("GET", f"/v1/customers?email={child}"))
    answers.append(await on.ask("POST", "/v1/customers", form={"name": token}))
    answers.append(await on.ask("GET", "/v1/customers", headers=[("User-Agent", f"sdk/{token}")]))
    answers.append(await on.ask("POST", "/v1/customers", form={"name": "a"}, headers=[("Idempotency-Key", token)]))
    assert [one.status for one in answers] == [200, 200, 401, 400, 400, 400, 400, 400]
    await on.rooms.tasks.revoke(child)
    await on.newest()
    for text in (token, child):
        secret = text.encode()[-60:]
        assert holding(tmp_path, secret) == []
        assert secret.decode() not in str(on.log.lines)
        assert not any(secret in one.raw for one in answers)
