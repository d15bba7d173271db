"""Answers in JSON get other beginnings in place, requests get them back, and text stays text."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from time import perf_counter
from typing import Any

import orjson
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from breakers.call import Body, Form, Json, Multipart, Opaque, Part
from config.dialect import LinkName
from proxy.origins import Places
from proxy.rewrite import rewrite_json, rewrite_link, rewrite_target, swap_body, swap_pairs

ROWS = [("https://api.github.com", "http://box:8001"), ("https://uploads.github.com", "http://box:8002")]
OUT = Places([*ROWS, ("http://127.0.0.1:4000", "http://box:8001")])
INTO = Places([(door, origin) for origin, door in ROWS])
ABOUT = "https://api.github.com/repos/a/b/issues?page=1"


@pytest.mark.parametrize(
    ("body", "wanted"),
    [
        (b'{"url":"https://api.github.com/a"}', b'{"url":"http://box:8001/a"}'),
        (b'"https://api.github.com/a"', b'"http://box:8001/a"'),
        (
            b' [ "https://api.github.com/a" ,\t"http://127.0.0.1:4000" ]\r\n',
            b' [ "http://box:8001/a" ,\t"http://box:8001" ]\r\n',
        ),
        (b'{"url":"https:\\/\\/api.github.com\\/a\\/b"}', b'{"url":"http://box:8001\\/a\\/b"}'),
        (b'["\\u0068ttps://api.git\\u0048ub.com/\\u0061"]', b'["http://box:8001/\\u0061"]'),
        (b'["https://api.github.com\\u002fx"]', b'["http://box:8001\\u002fx"]'),
        (b'["https://api.github.com/\\ud83d\\ude00/\xc3\xbc"]', b'["http://box:8001/\\ud83d\\ude00/\xc3\xbc"]'),
        (b'["\\/\\/api.github.com/a", "//API.github.com"]', b'["http://box:8001/a", "http://box:8001"]'),
        (b'{"https://api.github.com/a":"https://api.github.com/b"}', b'{"https://api.github.com/a":"http://box:8001/b"}'),
        (b'{"https://api.github.com/a" \n:1}', None),
        (b'{"https:\\/\\/api.github.com/a" : 1}', None),
        (b'["see https://api.github.com/a"]', None),
        (b'["https://api.github.com/a\\n"]', None),
        (b'["https://api.github.com/a\\u0020b"]', None),
        (b'["\\"https://api.github.com/a\\""]', None),
        (b'["a\\\\","https://api.github.com/a"]', b'["a\\\\","http://box:8001/a"]'),
        (b'["{\\"url\\":\\"https://api.github.com/a\\"}"]', None),
        (b'["https://api.github.com/\\"x"]', None),
        (b'["https://api.github.com/\\\\x"]', None),
        (b'["https://api.github.com\\\\@evil/"]', None),
        (b'["https://api.github.com.evil/", "https://evil/", "https://github.com/x"]', None),
        (b'["https://api.github.com/\xe3\x80\x80x"]', None),
        (b'["https://api.github.com/a", NaN, -Infinity]', b'["http://box:8001/a", NaN, -Infinity]'),
        (b'\xef\xbb\xbf["https://api.github.com/a"]', b'\xef\xbb\xbf["http://box:8001/a"]'),
        (b'["https://api.github.com/a", "\xff"]', b'["http://box:8001/a", "\xff"]'),
        (b'["https://api.github.com/a", "\n"]', b'["http://box:8001/a", "\n"]'),
        (b'["https://api.github.com/a", "\\ud800"]', b'["http://box:8001/a", "\\ud800"]'),
        (b'["https://api.github.com/a", 1' + b"0" * 5000 + b"]", b'["http://box:8001/a", 1' + b"0" * 5000 + b"]"),
        (b'["https://api.github.com/a"', None),
        (b'["https://api.github.com/a"] x', None),
        (b'// see "https://api.github.com/a"', None),
        (b'{"url":"https://api.github.com/a"}\n{"url":"https://api.github.com/b"}\n', None),
        (
            b"[" * 5000 + b'"https://api.github.com/a"' + b"]" * 5000,
            b"[" * 5000 + b'"http://box:8001/a"' + b"]" * 5000,
        ),
        ('["https://api.github.com/a"]'.encode("utf-16"), None),
        (b"", None),
        (b"{}", None),
    ],
)  # fmt: skip
def test_json(body: bytes, wanted: bytes | None) -> None:
    """Strings that are wholly a known URL begin elsewhere; names, text, other bytes and what is no JSON stay."""
    assert rewrite_json(body, OUT) == (body if wanted is None else wanted)


class Counted(Places):
    """Places that count how often they are asked."""

    asked = 0

    def beginning(self, text: str) -> tuple[int, str] | None:
        """
        Count, and answer.
        """
        self.asked += 1
        return super().beginning(text)

    def whole(self, text: str) -> tuple[int, str] | None:
        """
        Count, and answer.
        """
        self.asked += 1
        return super().whole(text)


@pytest.mark.parametrize(
    "string", [b'"h\\n"', b'"\\u0068"', b'"\\/\\/x"', b'"//api.github.com\\/x"', b'"//API.github.com/x"']
)
def test_asked_once(string: bytes) -> None:
    """However many strings of a text look like a URL, only each spelling of a known host is looked at by itself."""
    places = Counted(ROWS)
    shown = rewrite_json(b'["https://api.github.com",' + b",".join([string] * 1000) + b"]", places)
    assert shown.startswith(b'["http://box:8001",')
    assert places.asked <= 2


def test_untouched_object() -> None:
    """A text without a known host is passed back as it is, not copied."""
    body = orjson.dumps({"id": "ch_1", "url": "https://elsewhere.example/x", "note": "\u2028 żółć"})
    assert rewrite_json(body, OUT) is body


hosts = st.sampled_from(["api.github.com", "API.GitHub.com", "uploads.github.com", "github.com", "api.github.com.evil"])
ends = st.text(alphabet='/?#{}:@.%ax é\\"<\n\u3000', max_size=6)
urls = st.builds(
    lambda scheme, host, port, end: f"{scheme}{host}{port}{end}",
    st.sampled_from(["https://", "http://", "HTTPS://", "//", "", "see https://", '"https://']),
    hosts,
    st.sampled_from(["", "", ":443", ":80", ":8443", ":"]),
    ends,
)
strings = urls | st.text(max_size=12)
values = st.recursive(
    strings | st.integers() | st.booleans() | st.none() | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(strings, inner, max_size=4),
    max_leaves=12,
)

KNOWN = re.compile(r"(?i)(?:https?:)?//(api|uploads)\.github\.com(?::(?:443|80)?)?(?=[/?#{]|$)(?!\n)([\s\S]*)\Z")


def modelled(value: Any, instead: dict[str, str]) -> Any:
    """
    Return what a parsed document becomes, by a rule that knows nothing of bytes.
    """
    if isinstance(value, dict):
        return {name: modelled(member, instead) for name, member in value.items()}
    if isinstance(value, list):
        return [modelled(member, instead) for member in value]
    found = KNOWN.match(value) if isinstance(value, str) else None
    whole = found and not any(c.isspace() or ord(c) < 33 or 127 <= ord(c) < 160 or c in '"<>\\`' for c in found[2])
    return instead[found[1].lower()] + found[2] if found and whole else value


TO_DOORS = {"api": "http://box:8001", "uploads": "http://box:8002"}
TO_VENDOR = {"api": "https://api.github.com", "uploads": "https://uploads.github.com"}


def spelled(value: Any, draw: Callable[..., Any]) -> str:
    """
    Return one of the many spellings of a document.
    """
    if isinstance(value, dict):
        gap: str = draw(st.sampled_from(["", " ", "\n\t"]))
        members = [f"{spelled(name, draw)}{gap}:{gap}{spelled(member, draw)}" for name, member in value.items()]
        return "{" + gap + f",{gap}".join(members) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(spelled(member, draw) for member in value) + "]"
    if not isinstance(value, str):
        return str(json.dumps(value))
    text: str = json.dumps(value, ensure_ascii=draw(st.booleans()))
    if draw(st.booleans()):
        text = text.replace("/", "\\/")
    escape = draw(st.integers(0, 4)) == 0 and "\\t" not in text
    return str(text.replace("t", "\\u0074") if escape else text)


@given(st.data(), values)
def test_any_document(data: st.DataObject, document: Any) -> None:
    """Whatever the document and its spelling, reading it after rewriting is rewriting it after reading."""
    body = spelled(document, data.draw).encode("utf-8", "surrogatepass")
    shown = rewrite_json(body, OUT)
    assert json.loads(shown) == modelled(json.loads(body), TO_DOORS)
    assert len(STRING.split(shown)) == len(STRING.split(body))
    assert STRING.sub(b"", shown) == STRING.sub(b"", body)


STRING = re.compile(rb'"(?:[^"\\]|\\.)*"', re.DOTALL)


@given(values)
def test_back_again(document: Any) -> None:
    """What was made a door's URL becomes the vendor's own again, in the one spelling of its origin."""
    shown = json.loads(rewrite_json(json.dumps(document).encode(), OUT))
    back = swap_body(Json(shown), INTO)
    assert back == Json(modelled(json.loads(json.dumps(document)), TO_VENDOR))


@given(st.binary(max_size=80) | st.text(alphabet='"\\/[]{}:, htps.aigubcomn\n', max_size=80).map(str.encode))
@example(b'"https://api.github.com/"')
def test_any_bytes(body: bytes) -> None:
    """Bytes that no reader of JSON takes stay as they are, and nothing raises."""
    shown = rewrite_json(body, OUT)
    try:
        json.loads(body.removeprefix(b"\xef\xbb\xbf").decode("latin-1"), strict=False)
    except (ValueError, RecursionError):
        assert shown == body


@pytest.mark.parametrize(
    ("value", "wanted"),
    [
        ("https://api.github.com/x?y#z", "http://box:8001/x?y#z"),
        ("/x", "http://box:8001/x"),
        ("x", "http://box:8001/repos/a/b/x"),
        ("?page=2", "http://box:8001/repos/a/b/issues?page=2"),
        ("../c", "http://box:8001/repos/a/c"),
        ("//uploads.github.com/x", "http://box:8002/x"),
        ("//evil.example/x", "https://evil.example/x"),
        ("https://codeload.example/x?token=1", "https://codeload.example/x?token=1"),
        ("https://api.github.com/a b", "http://box:8001/a b"),
        ("https://api.github.com@evil/", "https://api.github.com@evil/"),
        ("mailto:a@b", "mailto:a@b"),
        ("//[::1/x", "//[::1/x"),
        ("", "http://box:8001/repos/a/b/issues?page=1"),
    ],
)
def test_target(value: str, wanted: str) -> None:
    """A target becomes absolute, at a door where it leads to a known place; another place is nobody's business here."""
    assert rewrite_target(value, ABOUT, OUT) == wanted


@pytest.mark.parametrize(
    ("value", "wanted"),
    [
        (
            '<https://api.github.com/a?page=2>; rel="next", <https://api.github.com/a?page=9>; rel="last"',
            '<http://box:8001/a?page=2>; rel="next", <http://box:8001/a?page=9>; rel="last"',
        ),
        (
            "</a?page=2>;rel=next,<?page=3>;rel=last",
            "<http://box:8001/a?page=2>;rel=next,<http://box:8001/repos/a/b/issues?page=3>;rel=last",
        ),
        ('<https://docs.example/x>; rel="help"', '<https://docs.example/x>; rel="help"'),
        (
            '</a>; title="<https://api.github.com/b> \\" <c>"; rel=next',
            '<http://box:8001/a>; title="<http://box:8001/b> \\" <c>"; rel=next',
        ),
        (
            '<https://docs.example/a>; title="x, <https://api.github.com/b>; rel="next"',
            '<https://docs.example/a>; title="x, <http://box:8001/b>; rel="next"',
        ),
        ('< https://api.github.com/a >; rel="next"', '<http://box:8001/a>; rel="next"'),
        ("https://api.github.com/a; rel=next", "https://api.github.com/a; rel=next"),
        ("", ""),
    ],
)  # fmt: skip
def test_link(value: str, wanted: str) -> None:
    """Each target of a `Link` header is rewritten, and in its parameters what some clients would take for one."""
    assert rewrite_link(value, ABOUT, OUT) == wanted


def test_link_unclosed() -> None:
    """Quotes that nothing closes cost no more than they are long, and hide no known target."""
    quotes = '"\\' * 50_000
    began = perf_counter()
    shown = rewrite_link(f"<https://api.github.com/a>; x={quotes}<https://api.github.com/b>", ABOUT, OUT)
    assert perf_counter() - began < 2
    assert shown == f"<http://box:8001/a>; x={quotes}<http://box:8001/b>"


NUMBERED = (
    LinkName(named="/repositories/{}", asked="/repos/{}/{}"),
    LinkName(named="/organizations/{}", asked="/orgs/{}"),
)


@pytest.mark.parametrize(
    ("target", "wanted"),
    [
        ("https://api.github.com/repositories/7/issues?page=2", "http://box:8001/repos/a/b/issues?page=2"),
        ("http://127.0.0.1:4000/repositories/7/issues?page=2", "http://box:8001/repos/a/b/issues?page=2"),
        # Another list, a deeper one, another kind of number, another place: none of them is what was asked for.
        ("https://api.github.com/repositories/7/labels", "http://box:8001/repositories/7/labels"),
        ("https://api.github.com/repositories/7/issues/1", "http://box:8001/repositories/7/issues/1"),
        ("https://api.github.com/repositories/issues", "http://box:8001/repositories/issues"),
        ("https://api.github.com/organizations/7/issues", "http://box:8001/organizations/7/issues"),
        ("https://docs.example/repositories/7/issues", "https://docs.example/repositories/7/issues"),
    ],
)
def test_link_as_asked(target: str, wanted: str) -> None:
    """A page link that calls what was asked for by its number is shown under the name that was asked for."""
    assert rewrite_link(f'<{target}>; rel="next"', ABOUT, OUT, NUMBERED) == f'<{wanted}>; rel="next"'


FILE = Part("file", "a.txt", "text/plain", b"http://box:8001/x")


@pytest.mark.parametrize(
    ("body", "wanted"),
    [
        (None, None),
        (
            Form((("a", "http://box:8001/x"), ("http://box:8001/x", "b"))),
            Form((("a", "https://api.github.com/x"), ("http://box:8001/x", "b"))),
        ),
        (Form((("a", "see http://box:8001/x"),)), Form((("a", "see http://box:8001/x"),))),
        (Json({"a": ["http://box:8002/x", 1, None]}), Json({"a": ["https://uploads.github.com/x", 1, None]})),
        (Json("http://box:8001"), Json("https://api.github.com")),
        (Json({"http://box:8001/x": "http://box:9/x"}), Json({"http://box:8001/x": "http://box:9/x"})),
        (Opaque(b"http://box:8001/x"), Opaque(b"http://box:8001/x")),
        (
            Multipart((FILE, Part("link", None, None, b"http://box:8001/x"))),
            Multipart((FILE, Part("link", None, None, b"https://api.github.com/x"))),
        ),
    ],
)  # fmt: skip
def test_requests(body: Body, wanted: Body) -> None:
    """Values that are wholly a door's URL become the vendor's; names, text, files and unread bodies stay."""
    assert swap_body(body, INTO) == wanted


def test_pairs() -> None:
    """A query without a door's URL is passed back as it is."""
    pairs = (("q", "a"), ("url", "http://elsewhere/"))
    assert swap_pairs(pairs, INTO) is pairs
    assert swap_pairs((*pairs, ("u", "http://box:8001/x")), INTO) == (*pairs, ("u", "https://api.github.com/x"))
