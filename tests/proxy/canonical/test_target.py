"""The request target: what has one meaning passes and is spelled one way, the rest is refused."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from breakers.verdict import Reason
from proxy.canonical.target import TARGET_BYTES_MAX, Target, _parse_carefully, encode_target, parse_target
from proxy.errors import Refused
from tests.proxy.canonical.refusals import refused

KEY = "bwk_agent1_not0a0real0secret0at0all"

MALFORMED = [
    # A13, A14: not origin-form
    "http://api.stripe.com/v1/x",
    "http://api.stripe.com@evil/",
    "api.stripe.com:443",
    "*",
    "",
    "?x",
    "//evil/x",
    "v1/x",
    # B1: dot segments in every spelling
    "/v1/../admin",
    "/v1/%2e%2e/admin",
    "/v1/.%2e/admin",
    "/v1/%2E./admin",
    "/v1/x/..",
    "/v1/x%2f..%2f..%2fadmin",
    "/v1/..%2Fadmin",
    # B2: encoded twice
    "/v1/%252e%252e/admin",
    "/v1/%25%32%65/x",
    "/v1/%25u002e/x",
    # B4: empty segments
    "//v1/x",
    "/v1//x",
    "/v1/./x",
    "/v1/x/.",
    "/v1/x//",
    "/v1/x/",
    "/v1/%2Fx",
    "/v1/a%2F%2Fb",
    # B5: path parameters
    "/v1/x;a=b",
    "/v1/..;/admin",
    "/v1/x%3bjsessionid=1",
    # B6, B8: control characters, backslashes, broken encodings, delimiters in disguise
    "/v1/x%0a",
    "/v1/x%7f",
    "/v1/x%c2%85",
    "/v1\\x",
    "/v1/%5cx",
    "/v1/%00",
    "/v1/%c0%ae%c0%ae",
    "/v1/%ef%bc%8f",
    "/v1/%ef%bc%8e%ef%bc%8e",
    "/v1/%e2%84%80",
    "/v1/%ed%a0%80",
    "/v1/%ff",
    "/v1/%u002e",
    "/v1/%",
    "/v1/%zz",
    "/v1/%2",
    # characters that no encoder leaves bare
    "/v1/a b",
    "/v1/a\tb",
    "/v1/é",
    '/v1/"x"',
    "/v1/{x}",
    "/v1/x[0]",
    # B11: fragments
    "/v1/x#y",
    "/v1/x?a=1#y",
    # C19: a key in the path
    f"/v1/{KEY}",
    "/v1/%62" + KEY[1:],
]

QUERY_MALFORMED = [
    # B9: a second separator
    "a=1;amount=1000",
    # B12: arguments that ask to be read as another method
    "_method=DELETE",
    "_METHOD=DELETE",
    "_method[]=DELETE",
    "%5fmethod=DELETE",
    "x-http-method-override=PUT",
    "X-HTTP-Method=PUT",
    "X-Method-Override=PUT",
    "_charset_=utf-7",
    # empty pairs and names
    "a=1&&b=2",
    "&a=1",
    "a=1&&",
    "=1",
    # encodings
    "a=%ff",
    "a=%zz",
    "a=%",
    "a%00b=1",
    "a=%00",
    "a%0ab=1",
    'a="1"',
    "a={1}",
    "a=1|2",
    # C19: a key in the query
    f"api_key={KEY}",
    f"{KEY}=1",
    f"a=%62{KEY[1:]}",
]

CANONICAL = [
    ("/", (), (), "/"),
    ("/?a=1", (), (("a", "1"),), "/?a=1"),
    # one `&` at the end separates nothing
    ("/?a=1&", (), (("a", "1"),), "/?a=1"),
    ("/v1/charges", ("v1", "charges"), (), "/v1/charges"),
    # B3: an encoded slash stays inside its segment
    ("/v1/charges/a%2frefund", ("v1", "charges", "a/refund"), (), "/v1/charges/a%2Frefund"),
    # B6: data, which no route matches
    ("/V1/Charges", ("V1", "Charges"), (), "/V1/Charges"),
    ("/v1/charges.", ("v1", "charges."), (), "/v1/charges."),
    ("/v1/charges%20", ("v1", "charges "), (), "/v1/charges%20"),
    # B7: judged decoded, sent in one spelling
    ("/v1/%61dmin", ("v1", "admin"), (), "/v1/admin"),
    ("/v1/%7Ex/~y", ("v1", "~x", "~y"), (), "/v1/~x/~y"),
    ("/a:b@c,d/%3A%40%2C", ("a:b@c,d", ":@,"), (), "/a:b@c,d/:@,"),
    ("/a+b/c%2Bd", ("a+b", "c+d"), (), "/a%2Bb/c%2Bd"),
    ("/.github/...", (".github", "..."), (), "/.github/..."),
    ("/100%25/%C3%A9", ("100%", "é"), (), "/100%25/%C3%A9"),
    # B11: a second question mark is data
    ("/x?a=1?b", ("x",), (("a", "1?b"),), "/x?a=1%3Fb"),
    ("/x?", ("x",), (), "/x"),
    ("/x?a", ("x",), (("a", ""),), "/x?a="),
    ("/x?a=b=c", ("x",), (("a", "b=c"),), "/x?a=b%3Dc"),
    ("/x?a=1+2%2B3%20", ("x",), (("a", "1 2+3 "),), "/x?a=1%202%2B3%20"),
    (
        "/x?expand[]=a&expand%5b%5D=b",
        ("x",),
        (("expand[]", "a"), ("expand[]", "b")),
        "/x?expand%5B%5D=a&expand%5B%5D=b",
    ),
    ("/x?payment_method=pm_1", ("x",), (("payment_method", "pm_1"),), "/x?payment_method=pm_1"),
    ("/x?q=%25zz%252e%0A", ("x",), (("q", "%zz%2e\n"),), "/x?q=%25zz%252e%0A"),
]


@pytest.mark.parametrize("raw", MALFORMED)
def test_malformed_paths(raw: str) -> None:
    """A path that two parsers may read differently is refused."""
    with refused(Reason.TARGET_MALFORMED):
        parse_target(raw)


@pytest.mark.parametrize("query", QUERY_MALFORMED)
def test_malformed_queries(query: str) -> None:
    """A query that two parsers may read differently is refused."""
    with refused(Reason.QUERY_MALFORMED):
        parse_target(f"/v1/x?{query}")


@pytest.mark.parametrize(("raw", "segments", "query", "sent"), CANONICAL)
def test_one_spelling(raw: str, segments: tuple[str, ...], query: tuple[tuple[str, str], ...], sent: str) -> None:
    """A target is decoded once and sent in one spelling, which parses to the same."""
    target = parse_target(raw)
    assert (target.segments, target.query) == (segments, query)
    assert encode_target(target.segments, target.query) == sent
    assert parse_target(sent) == target


@pytest.mark.parametrize(
    "raw",
    ["/" + "a" * TARGET_BYTES_MAX, "/x?a=" + "b" * TARGET_BYTES_MAX, "/x?" + "[" * (TARGET_BYTES_MAX // 2)],
    ids=["path", "query", "grows when encoded"],
)
def test_long_targets(raw: str) -> None:
    """A target that is too long, or would be when it is sent, is refused."""
    with refused(Reason.HEAD_TOO_LARGE):
        parse_target(raw)


def test_longest_target() -> None:
    """A target of exactly the largest size passes."""
    raw = "/" + "a" * (TARGET_BYTES_MAX - 1)
    assert parse_target(raw).segments == (raw[1:],)


# What raw bytes a caller might send: the characters with a meaning, their encodings, and others.
CHARACTERS = r"/.%;\?#&=+[]aB1~é@:, {"
ENCODED = ["..", "%2e", "%2F", "%5c", "%25", "%C3%A9", "%ef%bc%8f", "%00", "%0a", "%61", "%20", "_method", "bwk_"]
PIECES = st.sampled_from([*CHARACTERS, *ENCODED])
RAW = st.lists(PIECES, max_size=12).map(lambda pieces: "/" + "".join(pieces))


@given(RAW)
def test_canonical_is_stable(raw: str) -> None:
    """Whatever parses is sent as something that parses to the same and is sent the same."""
    try:
        target = parse_target(raw)
    except Refused:
        return
    sent = encode_target(target.segments, target.query)
    again = parse_target(sent)
    assert again == target
    assert encode_target(again.segments, again.query) == sent


SAFE = st.text("ab._-~:@=&?", max_size=8).map(lambda text: f"/{text}")


def outcome(parse: Callable[[], Target]) -> Target | Reason:
    """
    Return what was parsed, or why not.
    """
    try:
        return parse()
    except Refused as no:
        return no.reason


@given(RAW | SAFE)
def test_quick_road_agrees(raw: str) -> None:
    """What takes the quick road means what the careful road says."""
    path, _, query = raw.partition("?")
    assert outcome(lambda: parse_target(raw)) == outcome(lambda: _parse_carefully(raw, path, query))


SEGMENT = st.text(st.characters(exclude_categories=["Cc", "Cs"], exclude_characters="/\\;%"), min_size=1).filter(
    lambda text: text not in {".", ".."},
)
# Names that begin otherwise than those that steer.
NAME = st.text(st.characters(exclude_categories=["Cc", "Cs"]), min_size=1, max_size=8).filter(
    lambda name: name[0] not in "_xXhH",
)
VALUE = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=8)


@given(st.lists(SEGMENT, min_size=1, max_size=4), st.lists(st.tuples(NAME, VALUE), max_size=4))
def test_encoded_values_return(segments: list[str], query: list[tuple[str, str]]) -> None:
    """What is encoded parses to what it was made from, unless it is refused for what it holds."""
    sent = encode_target(tuple(segments), tuple(query))
    try:
        target = parse_target(sent)
    except Refused:
        assert not all(segment.isascii() for segment in segments)
        return
    assert (target.segments, target.query) == (tuple(segments), tuple(query))
