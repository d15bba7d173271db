"""Names of writes: what one spelling of a request shares with another, whose they are, and what they give away."""

from __future__ import annotations

import hmac
import unicodedata
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from breakers.call import Call, Request
from breakers.fingerprint import CANONICAL, canonical_1, framed
from breakers.known import Known, State
from breakers.verdict import Again, Reason
from config.catalog import Content
from proxy.canonical.bodies import parse_body
from proxy.canonical.heads import canonical_head
from proxy.canonical.target import parse_target
from proxy.naming import NAME_DIGITS, Namer
from tests.breakers.world import CATALOG, NAMER, QUIET, before, call, deny, policy, repeat, write

JSON, FORM = "application/json", "application/x-www-form-urlencoded"
UPLOAD = "multipart/form-data; boundary="
SPEC = replace(
    CATALOG.operations["issues/create"],
    contents={JSON: Content.JSON, FORM: Content.FORM, "multipart/form-data": Content.MULTIPART},
)
FORWARDED = frozenset({"shop-version"})


def came(body: str = "", media: str = JSON, target: str = "/issues", *lines: str) -> Call:
    """
    Return the call that a request is, read as the road reads it.
    """
    raw = [b"Host: x", f"Content-Type: {media}".encode(), *(line.encode() for line in lines)]
    fields = tuple((name, value.strip()) for name, _, value in (line.partition(b":") for line in raw))
    head = canonical_head("POST", (1, 1), fields, FORWARDED)
    media_type, parsed = parse_body(SPEC, head, body.encode())
    where = parse_target(target)
    request = Request(
        "api", "POST", where.segments, where.query, headers=head.headers, media_type=media_type, body=parsed
    )
    made = replace(call("issues/create"), request=request, idempotency_key=head.idempotency_key, again=head.again)
    return replace(made, names=NAMER.names(made))


def upload(boundary: str, text: str = "x") -> Call:
    part = f'--{boundary}\r\nContent-Disposition: form-data; name="a"; filename="f"\r\n\r\n{text}\r\n--{boundary}--\r\n'
    return came(part, UPLOAD + boundary)


NFC, NFD = (unicodedata.normalize(how, '{"a":"é"}') for how in ("NFC", "NFD"))

# two spellings, and whether they are one request
SPELLINGS: dict[str, tuple[Call, Call, bool]] = {
    "an integer and a fraction": (came('{"a":1}'), came('{"a":1.0}'), False),
    "a number and its digits": (came('{"a":1}'), came('{"a":"1"}'), False),
    "white space and order": (came('{"a":1,"b":[2]}'), came(' { "b" : [ 2 ] , "a" : 1 } '), True),
    "escapes": (came('{"a":"\\u0041"}'), came('{"a":"A"}'), True),
    "the last digit": (came('{"a":9007199254740993}'), came('{"a":9007199254740992}'), False),
    "an integer beyond binary64": (came('{"a":9007199254740993}'), came('{"a":9007199254740993.0}'), False),
    "an exponent": (came('{"a":1e2}'), came('{"a":100.0}'), True),
    "composed letters": (came(NFC), came(NFD), False),
    "percent in the path": (came("{}", JSON, "/is%73ues/%7Eme"), came("{}", JSON, "/issues/~me"), True),
    "a slash in a segment": (came("{}", JSON, "/issues/a%2Fb"), came("{}", JSON, "/issues/a/b"), False),
    "percent in a query": (came("{}", JSON, "/issues?a=%7E"), came("{}", JSON, "/issues?a=~"), True),
    "order of a query": (came("{}", JSON, "/issues?a=1&b=2"), came("{}", JSON, "/issues?b=2&a=1"), True),
    "a query's name twice": (came("{}", JSON, "/issues?a=1&a=2"), came("{}", JSON, "/issues?a=2&a=1"), False),
    "a form's name twice": (came("a=1&a=2", FORM), came("a=2&a=1", FORM), False),
    "a form's order": (came("a=1&b=%32", FORM), came("b=2&a=1", FORM), True),
    "a plus in a form": (came("a=x+y", FORM), came("a=x%20y", FORM), True),
    "a form and JSON": (came("a=1", FORM), came('{"a":"1"}'), False),
    "a charset": (came("{}", JSON), came("{}", f"{JSON}; charset=utf-8"), True),
    "a random boundary": (upload("one"), upload("two"), True),
    "a file's content": (upload("one"), upload("one", "y"), False),
    "a version": (
        came("{}", JSON, "/issues", "Shop-Version: 1"),
        came("{}", JSON, "/issues", "Shop-Version: 2"),
        False,
    ),
    "a precondition": (came("{}"), came("{}", JSON, "/issues", 'If-Match: "1"'), False),
    "who asks": (came("{}"), came("{}", JSON, "/issues", "User-Agent: sdk/2", "Accept: text/html"), True),
    "a retry's count": (came("{}"), came("{}", JSON, "/issues", "X-Stainless-Retry-Count: 1"), True),
    "its key": (came("{}"), came("{}", JSON, "/issues", "Idempotency-Key: k"), True),
    "how long it waits": (came("{}"), came("{}", JSON, "/issues", "Breakwater-Deadline-Ms: 9", "Prefer: wait=3"), True),
}


def fingerprint(one: Call) -> str:
    assert one.names is not None
    return one.names.fingerprint


@pytest.mark.parametrize("name", SPELLINGS)
def test_spellings(name: str) -> None:
    """Two spellings have one fingerprint exactly where they are one request."""
    one, other, same = SPELLINGS[name]
    assert (fingerprint(one) == fingerprint(other)) is same


@pytest.mark.parametrize(("one", "other"), [("k-1", '"k-1"'), ('"a\\"b\\\\c"', 'a"b\\c')])
def test_one_key(one: str, other: str) -> None:
    """A key between quotes and the bare one are one key."""
    first, second = (came("{}", JSON, "/issues", f"Idempotency-Key: {key}") for key in (one, other))
    assert first.names == second.names


def names(*, secret: bytes = b"s" * 32, **more: Any) -> dict[str, str | None]:
    made = write("refunds.create", {"body.charge": "ch_1", "body.amount": 5}, **{"key": "k-1", **more})
    found = Namer(secret).names(made)
    assert found is not None
    return {"fingerprint": found.fingerprint, "key": found.key, "effect": found.effect}


# what changes, and which names change with it
@pytest.mark.parametrize(
    ("more", "changed"),
    [
        ({}, set()),
        ({"id": "01OTHER"}, set()),
        ({"key": "k-2"}, {"key"}),
        ({"agent": "cashier"}, {"fingerprint", "key"}),
        ({"api": "annexe"}, {"fingerprint", "key", "effect"}),
        ({"secret": b"t" * 32}, {"fingerprint", "key", "effect"}),
    ],
)
def test_scopes(more: dict[str, Any], changed: set[str]) -> None:
    """Key and fingerprint belong to an agent at an API account, an effect belongs to the account alone."""
    plain, other = names(), names(**more)
    assert {name for name in plain if plain[name] != other[name]} == changed


def test_chosen_account() -> None:
    """A header that chooses whose object is touched chooses whose effect it is: another account's is another one."""
    one = write("refunds.create", {"body.charge": "ch_1", "body.amount": 5})
    chosen = (None, ("stripe-account", "acct_1"), ("stripe-account", "acct_2"), ("stripe-context", "acct_1"))
    asked = [replace(one, request=replace(one.request, redirecting=(pair,) if pair else ())) for pair in chosen]
    found = [NAMER.names(made) for made in (*asked, *asked)]
    assert len({made.effect for made in found if made is not None}) == len(chosen)


def test_rotated_credential() -> None:
    """After the agent's key was turned, or the API's credential, the same request has the same names."""
    one = write("issues/create", {"body.title": "x"}, key="k-1")
    turned = replace(one, caller=replace(one.caller, key_id="key-2"), id="01OTHER", trace="t", door="d", way="w")
    assert NAMER.names(turned) == one.names


def test_shape() -> None:
    """A name says its kind and nothing else, and is short enough to stand anywhere."""
    found = names()
    assert [str(name).partition(":")[0] for name in found.values()] == ["f1", "k", "e"]
    for name in found.values():
        assert name is not None
        assert len(name.partition(":")[2]) == 32
        assert name.isascii()
        assert name.isprintable()
    assert repr(Namer(b"s" * 32)) == "<Namer f1>"


def test_reads_have_none() -> None:
    """A read has no names, key or not."""
    assert NAMER.names(replace(call("issues/list"), idempotency_key="k")) is None


@given(
    st.lists(st.sampled_from(["a", "b", "ab", "|", "a|b", ",", ";", "1;", "1,1;"]), min_size=3, max_size=3),
    st.lists(st.sampled_from(["a", "b", "ab", "|", "a|b", ",", ";", "1;", "1,1;"]), min_size=3, max_size=3),
)
def test_keys_apart(one: list[str], other: list[str]) -> None:
    """Agent, API account and key never run into one another."""
    first, second = (names(agent=agent, api=api, key=key)["key"] for agent, api, key in (one, other))
    assert (first == second) is (one == other)


@pytest.mark.parametrize("size", [16, 32, 64, 65, 200])
def test_keyed(size: int) -> None:
    """A name is an HMAC under the secret, of whatever length that is: those on record are found again."""
    secret = bytes(range(size))
    expected = hmac.new(secret, b"bw/v1/made-with\x00", "sha256").hexdigest()[:NAME_DIGITS]
    assert Namer(secret).made_with == f"made-with:{expected}"
    key = write("issues/create", {"body.title": "x"}, key="k-1")
    said = framed([key.caller.agent, key.api, "k-1"])
    expected = hmac.new(secret, b"bw/v1/k\x00" + said, "sha256").hexdigest()[:NAME_DIGITS]
    for _ in range(2):
        named = Namer(secret).names(key)
        assert named is not None
        assert named.key == f"k:{expected}"


def test_keyed_effect() -> None:
    """An effect's name is of the account, what its catalogue calls it, and whose object is chosen, in that order."""
    made = write("refunds.create", {"body.charge": "ch_1", "body.amount": 5})
    made = replace(made, request=replace(made.request, redirecting=(("shop-account", "acct_1"),)))
    said = framed(["shop", 'refund:"ch_1":5', "shop-account", "acct_1"])
    expected = hmac.new(b"n" * 32, b"bw/v1/e\x00" + said, "sha256").hexdigest()[:NAME_DIGITS]
    named = NAMER.names(made)
    assert named is not None
    assert named.effect == f"e:{expected}"


def canonical_2(one: Call) -> bytes:
    return b"2" + canonical_1(one)


def test_new_version() -> None:
    """Under a second version of the fingerprint old records still match, and what is another request stays one."""
    judged = policy({"*": {}})
    newer = Namer(b"n" * 32, {**CANONICAL, 2: canonical_2})
    old = write("issues/create", {"body.title": "x"}, key="k-1", id="01FIRST")
    assert old.names is not None
    kept = before(old, State.COMPLETED, delivered=False)
    facts = replace(QUIET, known=Known(dict.fromkeys(old.names.held, (kept,))))
    for key in ("k-1", None):
        asked = replace(old, id="01CALL", idempotency_key=key)
        found = newer.names(asked)
        assert found is not None
        assert [name.partition(":")[0] for name in found.fingerprints] == ["f2", "f1"]
        assert found.fingerprint in found.held
        assert set(found.asked) >= set(found.fingerprints)
        assert repeat(judged, replace(asked, names=found), Again.REPLAY, facts) == "01FIRST"
    other = write("issues/create", {"body.title": "y"}, key="k-1")
    deny(judged, replace(other, names=newer.names(other)), Reason.IDEMPOTENCY_KEY_REUSED, "repeats", facts)
