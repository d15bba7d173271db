from __future__ import annotations

import random
from collections import Counter
from dataclasses import replace

import pytest

from tests.wire.case import MEANT
from tests.wire.draft import KINDS
from tests.wire.mutate import BENDS, generate, scratch
from tests.wire.oracle import ROUTES, disagreements, misheard
from tests.wire.parser import take
from tests.wire.record import Judged
from tests.wire.stand import SECRET
from tests.wire.upstream import Received

FORM = b"amount=100&currency=usd"
RAW = (
    b"POST /v1/payment_intents HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer %s\r\naccept: */*\r\n"
    b"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 23\r\n\r\n%s" % (SECRET.encode(), FORM)
)
JUDGED = Judged(
    "01CALL",
    "stripe",
    "payment_intents.create",
    "write",
    {
        "base": "api",
        "method": "POST",
        "segments": ["v1", "payment_intents"],
        "headers": [["accept", "*/*"]],
        "media_type": "application/x-www-form-urlencoded",
        "body": {"form": [["amount", "100"], ["currency", "usd"]]},
    },
)


@pytest.mark.parametrize("kind", KINDS)
def test_seed_names_a_request(kind: str) -> None:
    """A kind, a seed and an index make the same request again, and another seed another one."""
    first, again, other = ([generate(kind, seed, n).raw for n in range(40)] for seed in (1, 1, 2))
    assert first == again
    assert len(set(first) & set(other)) < len(first) // 2


@pytest.mark.parametrize("kind", KINDS)
def test_half_are_valid(kind: str) -> None:
    """About half of what is generated is valid, and the rest is bent in its parts, its bytes or a row of the corpus."""
    shares = Counter(generate(kind, 3, n).how.split()[0].split("+")[-1] for n in range(400))
    assert 0.35 * 400 < shares["valid"] < 0.65 * 400
    assert shares["bytes"] > 40
    assert shares["row"] > 15
    assert len(shares) > 12


@pytest.mark.parametrize("bend", BENDS, ids=lambda bend: bend.__name__)
def test_bend_bends(bend: object) -> None:
    """Every way to bend a request changes some request."""
    assert callable(bend)
    for seed in range(40):
        for kind in KINDS.values():
            straight, bent = kind(random.Random(seed)), kind(random.Random(seed))
            bend(random.Random(seed), bent)
            if straight.spell(random.Random(1)) != bent.spell(random.Random(1)):
                return
    pytest.fail("it changes nothing")


def test_scratch_changes() -> None:
    """Scratched bytes are nearly always other bytes, and never none."""
    results = [scratch(random.Random(seed), RAW) for seed in range(200)]
    assert sum(result == RAW for result in results) < 20
    assert all(results)


def told(raw: bytes = RAW, judged: Judged | None = JUDGED, at: str = "stripe.api") -> list[str]:
    """
    Return what the oracle says of bytes and a record.
    """
    message = take(raw)
    assert message is not None
    return list(disagreements(Received(0, at, 1, message), judged, "agents-key"))


def test_agreement_is_silent() -> None:
    """Bytes that say what was judged are not complained about."""
    assert told() == []


SENT = {
    "amount": RAW.replace(b"amount=100", b"amount=101"),
    "beyond": RAW.replace(b"amount=100", b"amount=999").replace(b"usd", b"jpy"),
    "order": RAW.replace(FORM, b"currency=usd&amount=100"),
    "method": RAW.replace(b"POST", b"PUT "[:3]),
    "path": RAW.replace(b"/v1/payment_intents", b"/v1/payment_intent5"),
    "query": RAW.replace(b"intents ", b"intents?a=1 "),
    "header": RAW.replace(b"accept: */*", b"accept: a/b"),
    "added-header": RAW.replace(b"accept: */*", b"accept: */*\r\nX-Forwarded-For: 1"),
    "agents-key": RAW.replace(b"accept: */*", b"accept: agents-key"),
    "credential": RAW.replace(SECRET.encode(), b"x"),
    "second-credential": RAW.replace(b"accept: */*", b"Authorization: Bearer x"),
    "media-type": RAW.replace(b"x-www-form-urlencoded", b"x-www-form-urlencode"),
    "twice": RAW.replace(FORM, b"amount=100&amount=100aa"),
    "dots": RAW.replace(b"/v1/payment_intents", b"/v1/../v1/payment_intents"),
}


@pytest.mark.parametrize("raw", SENT.values(), ids=SENT)
def test_other_bytes_are_told(raw: bytes) -> None:
    """Any difference between what was judged and what was sent is told."""
    assert told(raw)


def test_mishearing_is_told() -> None:
    """Bytes that say anything else than the agent's own are told, and the same ones are not."""
    asked = take(RAW)
    assert asked is not None
    for raw in (RAW, SENT["amount"], SENT["order"], SENT["path"], SENT["query"], SENT["header"], SENT["added-header"]):
        sent = take(raw)
        assert sent is not None
        assert bool(list(misheard(asked, "stripe", Received(0, "stripe.api", 1, sent)))) == (raw != RAW)


def saying(*lines: bytes) -> bytes:
    return RAW.replace(b"accept: */*", b"\r\n".join([b"accept: */*", *lines]))


@pytest.mark.parametrize(
    ("lines", "sent_lines", "told"),
    [
        ([b"Idempotency-Key: a"], [b"idempotency-key: ours"], ""),
        ([b'Idempotency-Key: "a\\"b"', b"X-Stainless-Retry-Count: 1", MEANT], [b"idempotency-key: ours"], ""),
        ([b"Idempotency-Key: a"], [b"idempotency-key: a"], "own idempotency key"),
        ([b'Idempotency-Key: "a"'], [b"idempotency-key: a"], "own idempotency key"),
        ([b'Idempotency-Key: "a"'], [b'idempotency-key: "a"'], "own idempotency key"),
        ([b"Idempotency-Key: a", b'Idempotency-Key: "a"'], [], "2 times"),
        ([b"Idempotency-Key: "], [], "no idempotency key"),
        ([b'Idempotency-Key: ""'], [], "no idempotency key"),
        ([b'Idempotency-Key: "a'], [], "no idempotency key"),
        ([b'Idempotency-Key: "a";b=c'], [], "no idempotency key"),
        ([b'Idempotency-Key: "a\\b"'], [], "no idempotency key"),
        ([b'Idempotency-Key: "a b"'], [], "no idempotency key"),
        ([b"Idempotency-Key: " + b"a" * 256], [], "no idempotency key"),
        ([MEANT, MEANT], [], "2 times"),
        ([b"Breakwater-Duplicate: deny"], [], "allowed by"),
        ([MEANT], [MEANT], "breakwater-duplicate was sent"),
        ([b"X-Stainless-Retry-Count: 1"] * 2, [], "2 times"),
        ([b"X-Stainless-Retry-Count: 1"], [b"X-Stainless-Retry-Count: 1"], "x-stainless-retry-count was sent"),
    ],
)  # fmt: skip
def test_words_about_repeats(lines: list[bytes], sent_lines: list[bytes], told: str) -> None:
    """Bytes that were sent although a client's words about repeats have no meaning, or with these words, are told."""
    asked, sent = take(saying(*lines)), take(saying(*sent_lines))
    assert asked is not None
    assert sent is not None
    faults = list(misheard(asked, "stripe", Received(0, "stripe.api", 1, sent)))
    assert any(told in fault for fault in faults) if told else faults == []


@pytest.mark.parametrize(
    "judged",
    [
        None,
        replace(JUDGED, operation="customers.create"),
        replace(JUDGED, api="github"),
        replace(JUDGED, document={**JUDGED.document, "base": "files"}),
        replace(JUDGED, document={**JUDGED.document, "sent_headers": [["accept", "*/*"]]}),
        replace(JUDGED, document={**JUDGED.document, "body": {"form": [["amount", "100"]]}}),
    ],
    ids=["unknown", "operation", "account", "base", "sent-headers", "body"],
)
def test_other_records_are_told(judged: Judged | None) -> None:
    """Any record that is not of these bytes is told."""
    assert told(judged=judged)


@pytest.mark.parametrize(
    ("api", "base", "method", "segments", "names"),
    [
        ("stripe", "api", "GET", ("v1", "customers", "search"), {"customers.search"}),
        ("stripe", "api", "HEAD", ("v1", "customers", "cus_1"), {"customers.retrieve"}),
        ("stripe", "api", "POST", ("v1", "files"), set()),
        ("stripe", "files", "POST", ("v1", "files"), {"files.create"}),
        ("stripe", "api", "GET", ("v1", "customers", ""), set()),
        ("stripe", "api", "GET", ("v1", "customers", "a/b"), {"customers.retrieve"}),
        ("github", "api", "GET", ("repos", "o", "r", "contents", "a", "b"), {"repos/get-content"}),
        ("github", "api", "GET", ("repos", "o", "r", "contents"), set()),
        ("github", "api", "GET", ("repos", "o", "r", "compare", "a...b"), {"repos/compare-commits",
        "repos/compare-commits-with-basehead"}),
        ("jira", "api", "GET", ("rest", "api", "latest", "issue", "AB-1"), {"getIssue"}),
        ("jira", "api", "GET", ("rest", "api", "4", "issue", "AB-1"), set()),
    ],
)  # fmt: skip
def test_route_is_matched(api: str, base: str, method: str, segments: tuple[str, ...], names: set[str]) -> None:
    """The matcher finds the operation that a path names, by the promised order and no other."""
    assert ROUTES[api].match(base, method, segments)[0] == names
