"""
Upstream URLs in answers become this door's, and door URLs in requests become the upstream's: never inside text.

An answer's JSON is not re-encoded. It is proven to parse, and then the strings that are wholly a known URL get another
beginning, in place; every other byte stays as it came. Finding them needs no tokens: outside its strings a JSON text
has no backslash, so a quote that no backslash precedes and that `h`, `/` or a backslash follows opens a string. A
string that a colon follows is a member's name and stays.

What does not parse as JSON stays untouched: some vendors serve a file's own bytes under a JSON media type, a refusal
would hide those, and no client finds a link in what its own parser does not read. The proof is as lenient as lenient
clients are (NaN, control characters, a byte order mark, bytes that are no UTF-8), so that what a client reads is
rewritten. A text in UTF-16 or UTF-32 is not JSON between systems (RFC 8259, 8.1) and stays untouched.

In requests the values are parsed already; they are replaced before anything is judged or recorded, so that the policy,
the record and the upstream see one thing.
"""

from __future__ import annotations

import json
import re
from dataclasses import replace
from functools import lru_cache
from urllib.parse import urljoin, urlsplit

import orjson

from breakers.call import Body, Form, Json, Multipart, Part
from config.dialect import LinkName
from proxy.origins import Places, is_unbroken

Pairs = tuple[tuple[str, str], ...]

# A string with an escape in it that may be a URL, as it is spelled, and the colon of a member's name.
_ESCAPED = re.compile(rb'(?<!\\)"(?=[hH/\\])([^"\\]*+(?:\\.[^"\\]*+)+)"([ \t\r\n]*:)?', re.DOTALL)

# An escaped printable ASCII character, behind which a host could hide.
_HIDDEN = re.compile(rb"\\u00[2-7]").search

# One character as it is spelled inside a JSON string.
_SPELLED = re.compile(rb"\\u[0-9a-fA-F]{4}|\\.|[^\\]", re.DOTALL).match

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"

# A target, or a quoted parameter, in which a bracket is only text.
_LINK_PIECE = re.compile(r'"(?:[^"\\]|\\.)*"|<([^<>]*)>')
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:").match


def rewrite_json(body: bytes, places: Places) -> bytes:
    """
    Return a JSON text with other beginnings of known URLs; the same object where it is none, or holds none.
    """
    if not _may_hold(body, places) or not _parses(body):
        return body

    known: dict[bytes, bytes] = {}

    def plain(found: re.Match[bytes]) -> bytes:
        place, rest = found[1], found[2]
        if place not in known:
            begun = places.beginning(place.decode())
            known[place] = place if begun is None else begun[1].encode()
        if not rest.isascii() and not is_unbroken(rest.decode("utf-8", "replace")):
            return found[0]
        return b'"%b%b"' % (known[place], rest)

    def escaped(found: re.Match[bytes]) -> bytes:
        spelled = found[1]
        begun = None if found[2] else places.whole(_text(spelled))
        if begun is None:
            return found[0]
        length, instead = begun
        return b'"%b%b"' % (instead.encode(), spelled[_spelled_length(spelled, length) :])

    rewritten = _plain(places.hosts).sub(plain, body)
    return _ESCAPED.sub(escaped, rewritten) if b"\\" in body else rewritten


@lru_cache(maxsize=64)
def _plain(hosts: tuple[bytes, ...]) -> re.Pattern[bytes]:
    """
    Return what finds strings without an escape, but for names of members, that are URLs with one of these hosts.
    """
    host = b"|".join(map(re.escape, hosts))
    return re.compile(
        rb'(?<!\\)"((?:https?:)?//(?:%b)(?::[0-9]{0,5})?)(?=[/?#{"])([^\s\x00-\x1f\x7f"<>\\`]*)"(?![ \t\r\n]*:)' % host,
        re.IGNORECASE,
    )


def _may_hold(body: bytes, places: Places) -> bool:
    small = body.lower()
    return any(host in small for host in places.hosts) or _HIDDEN(body) is not None


def _parses(body: bytes) -> bool:
    try:
        orjson.loads(body)
    except ValueError:
        return _parses_leniently(body.removeprefix(_BYTE_ORDER_MARK))
    return True


def _parses_leniently(body: bytes) -> bool:
    # Latin-1 reads any bytes, and those that make JSON's structure the same as every superset of ASCII does.
    try:
        json.loads(body.decode("latin-1"), strict=False, parse_int=str, parse_float=str)
    except (ValueError, RecursionError):
        return False
    return True


def _text(spelled: bytes) -> str:
    return str(json.loads(f'"{spelled.decode("utf-8", "replace")}"', strict=False))


def _spelled_length(spelled: bytes, characters: int) -> int:
    """
    Return how many bytes spell the first so many characters, all of them ASCII.
    """
    at = 0
    for _ in range(characters):
        found = _SPELLED(spelled, at)
        at = found.end() if found else at
    return at


def rewrite_target(value: str, about: str, places: Places) -> str:
    """
    Return a reference as an absolute URL, at a door where it leads to a known place; an unknown place stays.

    A relative one is relative to `about`, the URL of the request that was answered.
    """
    begun = places.beginning(value)
    if begun is None and not _SCHEME(value):
        try:
            value = urljoin(about, value)
        except ValueError:
            return value
        begun = places.beginning(value)
    return value if begun is None else begun[1] + value[begun[0] :]


def rewrite_link(value: str, about: str, places: Places, names: tuple[LinkName, ...] = ()) -> str:
    """
    Return a `Link` header with each of its targets so rewritten, and nothing else changed.

    A target that names by one of `names` what was asked for is named as it was asked for.
    """

    def shown(found: re.Match[str]) -> str:
        if found[1] is None:
            return found[0]
        target = found[1].strip()
        if names and places.beginning(target) is not None:
            target = _as_asked(target, about, names)
        return f"<{rewrite_target(target, about, places)}>"

    return _LINK_PIECE.sub(shown, value)


def _as_asked(target: str, about: str, names: tuple[LinkName, ...]) -> str:
    try:
        linked, asked = urlsplit(target), urlsplit(about)
    except ValueError:
        return target
    there, here = linked.path.split("/"), asked.path.split("/")
    for name in names:
        named, own = name.named.split("/"), name.asked.split("/")
        same_rest = there[len(named) :] == here[len(own) :]
        if same_rest and _like(named, there) and _like(own, here):
            return linked._replace(path=asked.path).geturl()
    return target


def _like(template: list[str], path: list[str]) -> bool:
    return len(path) >= len(template) and all(t in {"{}", p} for t, p in zip(template, path, strict=False))


def swap_pairs(pairs: Pairs, places: Places) -> Pairs:
    """
    Return the pairs of a query or form with values that are wholly a known URL replaced; the same object without any.
    """
    swapped = tuple([(name, places.swapped(value)) for name, value in pairs])
    return pairs if swapped == pairs else swapped


def swap_body(body: Body, places: Places) -> Body:
    """
    Return a request's body with values that are wholly a known URL replaced; files and opaque bodies stay as they came.
    """
    match body:
        case Form(pairs):
            return Form(swap_pairs(pairs, places))
        case Json(value):
            return Json(_swapped(value, places))
        case Multipart(parts):
            return Multipart(tuple([_swapped_part(part, places) for part in parts]))
        case _:
            return body


def _swapped(value: object, places: Places) -> object:
    if isinstance(value, str):
        return places.swapped(value)
    if isinstance(value, dict):
        return {name: _swapped(member, places) for name, member in value.items()}
    if isinstance(value, list):
        return [_swapped(member, places) for member in value]
    return value


def _swapped_part(part: Part, places: Places) -> Part:
    # A field is UTF-8 by the time that it is a part.
    return part if part.filename is not None else replace(part, data=places.swapped(part.data.decode()).encode())
