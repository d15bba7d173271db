"""A write put together again from its record: the very bytes that left, or none; what a changed credential hides."""

from __future__ import annotations

from pathlib import Path

from loadtest.upstreams.faults import Fault, HangUp
from proxy.doubt.recorded import Doubt, doubt_of
from proxy.doubt.ways import LIST, RESEND, STATE, ways_of
from proxy.secret import Secret
from tests.canary.forms import secret
from tests.doubt.world import EVERY_TIME, GITHUB, World, github, stripe
from tests.proxy.road import call_of, charged

FILE = (
    b'--x\r\nContent-Disposition: form-data; name="purpose"\r\n\r\ndispute_evidence\r\n'
    b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.txt"\r\nContent-Type: text/plain\r\n\r\nhello\r\n'
    b"--x--\r\n"
)


async def known(world: World, intent: str) -> Doubt:
    """
    Return what is known of an intent by its record alone.
    """
    known = await world.on.rooms.store.earlier(intent)
    assert known is not None
    (opened,) = [one.opened for one in await world.on.rooms.store.open_intents() if one.opened.intent == intent]
    doubt = doubt_of(world.on.rooms.ledger.intent_at(opened.place), world.on.rooms.accounts[world.door])
    assert doubt is not None
    return doubt


async def test_same_bytes(tmp_path: Path) -> None:
    """What a form and a file left as is what they would leave as again, key and boundary included."""
    async with stripe(tmp_path) as world:
        intent = await world.lose("POST", "/v1/refunds", {"charge": charged(world.sandbox), "amount": 500}, named="k")
        doubt = await known(world, intent)
        assert doubt.wire is not None
        sent = next(seen for seen in world.sandbox.wiretap.requests if seen.method == "POST")
        assert (doubt.wire.body, doubt.wire.target) == (sent.body, sent.target)
        assert dict(doubt.wire.headers)["idempotency-key"] == sent.header("Idempotency-Key")
        assert ways_of(doubt) == (RESEND, LIST)


async def test_same_file(tmp_path: Path) -> None:
    """A file leaves again under the boundary that it left under."""
    async with stripe(tmp_path) as world:
        world.sandbox.faults.add(Fault(HangUp(), method="POST", times=EVERY_TIME))
        told = await world.on.ask(
            "POST", "/v1/files", door="stripe.files", agent="worker", body=FILE, media="multipart/form-data; boundary=x"
        )
        doubt = await known(world, call_of(told))
        assert doubt.wire is not None
        assert b"hello" in doubt.wire.body
        assert b"--x--" not in doubt.wire.body


async def test_marked_bytes(tmp_path: Path) -> None:
    """A body that bore a mark is put together again with the mark."""
    async with github(tmp_path, marker=True) as world:
        intent = await world.lose("POST", f"{GITHUB}/issues", {"title": "Broken", "body": "It is."})
        doubt = await known(world, intent)
        assert doubt.marked
        assert doubt.wire is not None
        assert f"breakwater_call: {intent}".encode() in doubt.wire.body
        assert ways_of(doubt) == (LIST,)


async def test_left_out(tmp_path: Path) -> None:
    """A request of which something is never stored cannot leave again: other bytes under its key are another one."""
    async with stripe(tmp_path) as world:
        form = {"name": "a", "source[object]": "card", "source[number]": "4000000000000002"}
        intent = await world.lose("POST", "/v1/customers", form, applied=False)
        doubt = await known(world, intent)
        assert (doubt.wire, RESEND in ways_of(doubt)) == (None, False)


async def test_hidden(tmp_path: Path) -> None:
    """Under another credential that an object is not shown proves no deletion."""
    async with github(tmp_path) as world:
        issue = (await world.write("POST", f"{GITHUB}/issues", {"title": "a"})).json["number"]
        made = (await world.write("POST", f"{GITHUB}/issues/{issue}/comments", {"body": "Seen."})).json["id"]
        world.on.clock.move(600)
        intent = await world.lose("DELETE", f"{GITHUB}/issues/comments/{made}")
        assert ways_of(await known(world, intent)) == (STATE,)
        world.sandbox.secret = secret("another")
        world.on.rooms.accounts["github"].credential.turn([("other#1", Secret(world.sandbox.secret))])
        await world.looks(600)
        assert world.state(intent) == "unknown"
        assert "credential was changed" in str(world.doubts.said()[0]["tried"])
