from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.crash.waiting import until
from tests.wire.case import FORM, JSON, WRITE, form, get, request
from tests.wire.client import Answer, Connection, drip, exchange
from tests.wire.parser import Message
from tests.wire.record import judgements
from tests.wire.stand import SECRET_FORMS, Stand, standing

ACCOUNTS = b"/v2/core/accounts"

# What is ours on the way out and cannot be sent to us again: the address, the credential, the upstream's own key.
OURS = frozenset({"host", "authorization", "idempotency-key", "content-length", "accept-encoding"})

# The same writes in other words, some with an argument of every kind.
VARIANTS = (
    get(b"/v1/%63ustomers/cus%5F1?expand[]=a&expand[]=b"),
    get(b"/v1/customers?email=a+b%20c%2Bd&limit=3", b"Accept: */*", b"user-agent:   x  "),
    get(b"/v1/charges/ch%7E1?expand%5B0%5D=%63ustomer"),
    form(b"description=%c3%a9+%E2%82%AC&metadata[a+b]=%26%3D%25&metadata%5Bc%5D=&expand[]=a"),
    request(
        b"POST", ACCOUNTS, JSON + b"; charset=utf-8", body=b' { "metadata" : {"b":"\\u00e9","a":"\\/"} , "include":[ ]}'
    ),
)


async def one(stand: Stand, raw: bytes, door: str = "stripe") -> tuple[Answer, Message]:
    """
    Send a request that must pass; return its answer and the bytes that left for the upstream.
    """
    before = stand.echo.mark()
    ended = await exchange(stand.door(door), stand.filled(raw, door), quiet_s=0.01)
    sent = stand.echo.since(before)
    stand.seen += ended.raw
    assert [answer.status for answer in ended.answers] == [200], ended.raw
    assert len(sent) == 1
    return ended.answers[0], sent[0]


async def test_thousand_pipelined(stand: Stand) -> None:
    """A thousand requests in one write, every third of them denied, are each decided alone and answered in order."""
    count, before = 1_000, stand.echo.mark()
    denied = request(b"DELETE", b"/v1/customers/cus_%d")
    batch = [(denied if n % 3 == 2 else get(b"/v1/customers/cus_%d")) % n for n in range(count)]
    connection = await Connection.to(stand.door("stripe"))
    sending = asyncio.create_task(connection.send(stand.filled(b"".join(batch))))
    answers = [await connection.answer() for _ in range(count)]
    await sending
    await connection.end()
    assert [a and a.status for a in answers] == [403 if n % 3 == 2 else 200 for n in range(count)]
    paths = [f"/v1/customers/cus_{n}" for n in range(count) if n % 3 != 2]
    assert [a.json["path"] for a in answers if a and a.status == 200] == paths
    assert [message.target.decode() for message in stand.echo.since(before)] == paths


@pytest.mark.parametrize(
    "raw",
    [
        get(b"/v1/%63ustomers/cus_1?expand[]=a", b"User-Agent: slow"),
        form(b"email=a%40b&metadata[x]=1", WRITE, b"Idempotency-Key: form-@OWN@"),
        request(
            b"POST",
            WRITE,
            FORM,
            b"Idempotency-Key: chunked-@OWN@",
            b"Transfer-Encoding: chunked",
            body=b"7\r\nemail=a\r\n4\r\n%40b\r\n0\r\n\r\n",
            length=False,
        ),
    ],
    ids=["read", "form", "chunked"],
)
async def test_byte_by_byte(stand: Stand, raw: bytes) -> None:
    """A request that comes byte by byte leaves in the same bytes as one that comes at once, but for the key of ours."""
    _, whole = await one(stand, raw.replace(b"@OWN@", b"whole"))
    before = stand.echo.mark()
    ended = await drip(stand.door("stripe"), stand.filled(raw.replace(b"@OWN@", b"dripped")))
    assert [answer.status for answer in ended.answers] == [200]
    (dripped,) = stand.echo.since(before)
    keys = [message.values("idempotency-key") for message in (whole, dripped)]
    assert (keys == [[], []]) is raw.startswith(b"GET")
    assert keys[0] != keys[1] or raw.startswith(b"GET")
    assert _unkeyed(dripped) == _unkeyed(whole)


def _unkeyed(message: Message) -> bytes:
    for key in message.values("idempotency-key"):
        assert message.raw.count(key.encode()) == 1
        return message.raw.replace(key.encode(), b"")
    return message.raw


async def test_repeat_is_heard(stand: Stand) -> None:
    """A write that comes again under its key, quoted, in chunks and byte by byte, is replayed and not sent."""
    first, _ = await one(stand, form(b"email=again", WRITE, b"Idempotency-Key: again"))
    quoted, coding = b'Idempotency-Key: "again"', b"Transfer-Encoding: chunked"
    body = b"7\r\nemail=a\r\n4\r\ngain\r\n0\r\n\r\n"
    before = stand.echo.mark()
    ended = await drip(
        stand.door("stripe"), stand.filled(request(b"POST", WRITE, FORM, quoted, coding, body=body, length=False))
    )
    (again,) = ended.answers
    assert (again.status, again.body) == (200, first.body)
    assert again.header("Breakwater-Outcome") == "replayed"
    assert again.header("Breakwater-Intent") == first.header("Breakwater-Call")
    assert stand.echo.since(before) == []


async def test_continue_is_given(stand: Stand) -> None:
    """A client that waits for 100 gets it before its body, and its answer after."""
    raw = stand.filled(form(b"email=a", WRITE, b"Expect: 100-continue"))
    head, body = raw[: -len(b"email=a")], raw[-len(b"email=a") :]
    connection = await Connection.to(stand.door("stripe"))
    before = stand.echo.mark()
    await connection.send(head)
    assert (await connection.interim()).startswith(b"HTTP/1.1 100 ")
    assert stand.echo.since(before) == []
    await connection.send(body)
    answer = await connection.answer()
    await connection.end()
    assert answer is not None
    assert answer.status == 200
    (sent,) = stand.echo.since(before)
    assert (sent.body, sent.values("expect")) == (body, [])


@pytest.mark.parametrize(
    ("auth", "target", "status"),
    [(b"Authorization: Bearer unknown", WRITE, 401), (b"Authorization: Bearer @KEY@", b"/v1/nothing", 403)],
    ids=["unknown-caller", "unknown-operation"],
)
async def test_no_body_is_asked(stand: Stand, auth: bytes, target: bytes, status: int) -> None:
    """A caller or an operation that is unknown is refused without its body being asked for."""
    raw = stand.filled(request(b"POST", target, FORM, b"Expect: 100-continue", body=b"email=a", auth=auth))
    connection = await Connection.to(stand.door("stripe"))
    await connection.send(raw.removesuffix(b"email=a"))
    first = await connection.interim()
    await connection.end()
    assert first.startswith(b"HTTP/1.1 %d " % status)


async def test_upgrade_is_ignored(stand: Stand) -> None:
    """Bytes behind an upgrade that was asked for are the next request, or the connection is closed at once."""
    before = stand.echo.mark()
    first = get(b"/v1/customers/cus_1", b"Connection: Upgrade", b"Upgrade: h2c", b"HTTP2-Settings: AAMAAABk")
    connection = await Connection.to(stand.door("stripe"))
    await connection.send(stand.filled(first + get(b"/v1/customers/cus_2")))
    statuses = [answer and answer.status for answer in (await connection.answer(), await connection.answer(wait_s=5.0))]
    sent = [message.target for message in stand.echo.since(before)]
    await connection.end()
    assert connection.closed or len(sent) == 2
    assert statuses == [200] * len(sent) + [None] * (2 - len(sent))
    assert sent == [b"/v1/customers/cus_1", b"/v1/customers/cus_2"][: len(sent)]


@pytest.mark.parametrize("trailer", [b"Authorization: Bearer @KEY@", b"Stripe-Version: later", b"Stripe-Account: a"])
async def test_trailers_die(stand: Stand, trailer: bytes) -> None:
    """A trailer is part of no request: not of the one it ends, not of the next one on its connection."""
    chunks = b"7\r\nemail=a\r\n0\r\n" + trailer + b"\r\n\r\n"
    raw = request(b"POST", WRITE, FORM, b"Transfer-Encoding: chunked", body=chunks, length=False)
    connection = await Connection.to(stand.door("stripe"))
    await connection.send(stand.filled(raw))
    await connection.answer()
    before = stand.echo.mark()
    keyless = trailer.startswith(b"Authorization")
    await connection.send(stand.filled(get(auth=None) if keyless else get()))
    second = await connection.answer()
    await connection.end()
    sent = stand.echo.since(before)
    assert not any(trailer.partition(b":")[0].lower() in message.raw.lower() for message in sent if not keyless)
    assert second is None or second.status == (401 if keyless else 200)
    assert not (keyless and sent)


@pytest.mark.parametrize("raw", VARIANTS, ids=range(len(VARIANTS)))
async def test_canonical_is_stable(stand: Stand, raw: bytes) -> None:
    """What left for the upstream, sent to us again, leaves in the same words."""
    _, first = await one(stand, raw)
    lines = [f"{name}: {value}".encode() for name, value in first.headers if name.lower() not in OURS]
    again = request(first.method.encode(), first.target, *lines, body=first.body)
    _, second = await one(stand, again)
    assert (second.target, second.body) == (first.target, first.body)
    kept = [
        [(n.lower(), v) for n, v in message.headers if n.lower() != "idempotency-key"] for message in (first, second)
    ]
    assert kept[0] == kept[1]


def _spellings(rng: random.Random, count: int) -> Sequence[bytes]:
    members = [('"display_name"', '"Acme"'), ('"metadata"', '{"a":"1","b":"é"}'), ('"include"', '["x", "y"]')]
    found = []
    for _ in range(count):
        rng.shuffle(members)
        gap = [rng.choice(["", " ", "\n", "\t\r\n "]) for _ in range(8)]
        inner = f"{gap[0]},{gap[1]}".join(f"{name}{gap[2]}:{gap[3]}{value}" for name, value in members)
        text = f"{gap[4]}{{{gap[5]}{inner}{gap[6]}}}{gap[7]}"
        for letter, escapes in (("é", ["\\u00e9", "\\u00E9"]), ("A", ["\\u0041"])):
            text = text.replace(letter, rng.choice([letter, *escapes]))
        found.append(text.encode())
    return found


async def test_one_meaning_one_form(stand: Stand) -> None:
    """Other orders of members, white space and escapes leave no trace in the record, on the wire, or for a repeat."""
    spellings = _spellings(random.Random(32), 40)
    assert len({json.dumps(json.loads(text), sort_keys=True) for text in spellings}) == 1
    sent = [await one(stand, request(b"POST", ACCOUNTS, JSON, body=text)) for text in spellings]
    # The order of members is kept on the wire: three of them have six.
    assert len({message.body for _, message in sent}) <= 6
    calls = {str(answer.header("Breakwater-Call")) for answer, _ in sent}
    documents = [judged.document for judged in judgements(stand.breakwater.state).values() if judged.call in calls]
    assert len(documents) == len(spellings)
    assert len({json.dumps(document["body"], sort_keys=True, default=repr) for document in documents}) == 1
    # Once more in the first spelling, without saying that it is meant: every other one is the same write.
    before, unsaid = stand.echo.mark(), request(b"POST", ACCOUNTS, JSON, body=spellings[0], meant=False)
    (suspected,) = (await exchange(stand.door("stripe"), stand.filled(unsaid), quiet_s=0.01)).answers
    assert (suspected.status, suspected.reason) == (403, "duplicate-suspected")
    assert suspected.header("Breakwater-Intent") == sent[-1][0].header("Breakwater-Call")
    assert stand.echo.since(before) == []


@pytest.mark.parametrize("raw", [get(), form(b"email=a")], ids=["read", "write"])
async def test_record_names_the_account(stand: Stand, raw: bytes) -> None:
    """Whose objects a call was about is on record, not only in the bytes that left."""
    line = b"Stripe-Account: acct_listed\r\n"
    answer, sent = await one(stand, raw.replace(b"Authorization:", line + b"Authorization:"))
    assert sent.values("stripe-account") == ["acct_listed"]
    call, found = answer.header("Breakwater-Call"), list[str]()

    def recorded() -> bool:
        # Nobody waits for a read's record: it is on disk a moment later.
        said = judgements(stand.breakwater.state).values()
        found[:] = [json.dumps(judged.document, default=repr) for judged in said if judged.call == call]
        return bool(found)

    await until(recorded)
    (document,) = found
    assert "acct_listed" in document


async def test_nothing_leaked(stand: Stand) -> None:
    """No answer holds the real credential, no line of the log the agent's key or the credential."""
    for target in (b"/v1/customers/@KEY@", b"/v1/customers?email=@KEY@", WRITE):
        stand.seen += (await exchange(stand.door("stripe"), stand.filled(get(target)))).raw
    assert b"HTTP/1.1 200 OK" in stand.seen
    assert b'"event":"call"' in stand.log()
    for secret in (*SECRET_FORMS, stand.key.encode()):
        assert secret not in stand.seen
        assert secret not in stand.log()
    assert b"Traceback" not in stand.log()


async def test_environment_is_ignored(tmp_path: Path) -> None:
    """Proxies and key logs that the environment names are not used: the call still arrives, and no key is written."""
    nowhere, keys = "http://127.0.0.1:9", tmp_path / "tls-keys"
    names = ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy")
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login somebody password elses\n")
    more = {**dict.fromkeys(names, nowhere), "NO_PROXY": "", "SSLKEYLOGFILE": str(keys), "NETRC": str(netrc)}
    with standing(tmp_path, more=more) as stand:
        _, sent = await one(stand, get())
    assert sent.values("authorization") == [f"Bearer {SECRET_FORMS[0].decode()}"]
    assert not keys.exists()


@pytest.mark.torture
@pytest.mark.timeout(120)
async def test_slow_is_closed(stand: Stand) -> None:
    """A head that never ends is closed within 15 s, a body that never comes within 30 s."""
    head = stand.filled(get()).removesuffix(b"\r\n")
    body = stand.filled(form(b"email=a")).removesuffix(b"a")

    async def until_closed(raw: bytes, wait_s: float) -> bool:
        connection = await Connection.to(stand.door("stripe"))
        await connection.send(raw)
        await connection.rest(wait_s)
        await connection.rest(1.0)
        await connection.end()
        return connection.closed

    slow = (until_closed(head, 16.0), until_closed(b"GET ", 16.0), until_closed(body, 32.0))
    assert list(await asyncio.gather(*slow)) == [True] * 3
