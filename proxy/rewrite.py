"""
Upstream URLs in answers become this door's, and door URLs in requests become the upstream's: never inside text.

An answer's JSON is not re-encoded. It is proven to parse, and then the strings that are wholly a known URL get another
beginning, in place; every other byte stays as it came. Finding them needs no tokens: outside its strings a JSON text
has no backslash, so a quote that no backslash precedes and that `h`, `/` or a backslash follows opens a string. A
string that a colon follows is a member's name and stays.

What does not parse as JSON stays untouched: some vendors serve a file's own bytes under a JSON media type, a refusal
would hide those, and no client finds a link in what its own parser does not read. The proof is as lenient as lenient
clients are (NaN, control characters, a byte order mark, bytes that are no UTF-8, any depth), so that what a client
reads is rewritten. A text in UTF-16 or UTF-32 is not JSON between systems (RFC 8259, 8.1) and stays untouched.

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

# An escaped printable ASCII character, behind which a host could hide.
_HIDDEN = re.compile(rb"\\u00[2-7]").search

# A string of JSON that may hold what only strict parsers refuse in one.
_decoded = json.JSONDecoder(strict=False).decode

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"

# A target, or a quoted parameter, in which brackets are only text; but some clients look for brackets alone. A quote
# that nothing closes is taken to the end, once: looking for its end from each quote would take the square of the time.
_LINK_PIECE = re.compile(r'"(?:[^"\\]|\\.)*"?|<([^<>]*)>')
_LINK_TARGET = re.compile(r"<([^<>]*)>")
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:").match

# No URL with a host is without them, and few values have them.
_SLASHES = "//"


def rewrite_json(body: bytes, places: Places) -> bytes:
    """
    Return a JSON text with other beginnings of known URLs; the same object where it is none, or holds none.
    """
    if not _may_hold(body, places) or not _parses(body):
        return body

    known: dict[bytes, bytes | None] = {}

    def shown(found: re.Match[bytes]) -> bytes:
        place, rest = found[1], found[2]
        if place not in known:
            begun = places.beginning(_text(place))
            known[place] = None if begun is None else begun[1].encode()
        instead = known[place]
        return found[0] if instead is None or not _is_unbroken(rest) else b'"%b%b"' % (instead, rest)

    return _strings(places.hosts, b"\\" in body).sub(shown, body)


@lru_cache(maxsize=64)
def _strings(hosts: tuple[bytes, ...], escapes: bool) -> re.Pattern[bytes]:  # noqa: FBT001 half of a key
    """
    Return what finds strings, but for names of members, that are URLs with one of these hosts, in any spelling.

    A vendor's answer says how many strings there are, so none that could not be such a URL is looked at by itself.
    """
    spelled = _spelled if escapes else re.escape
    begin = b"(?:%b%b?%b)?%b" % (spelled(b"http"), spelled(b"s"), spelled(b":"), spelled(b"//"))
    digit = rb"(?:[0-9]|\\u003[0-9])" if escapes else b"[0-9]"
    port = b"(?:%b%b{0,5})?" % (spelled(b":"), digit)
    end = b"|".join(spelled(sign) for sign in (b"/", b"?", b"#", b"{"))
    # Nothing in it can be read in two ways, so it is linear without possessive repeats, which Python 3.11.2 gets wrong.
    plain = rb'[^\s\x00-\x1f\x7f"<>\\`]*'
    rest = rb"%b(?:\\(?:/|u[0-9a-f]{4})%b)*" % (plain, plain) if escapes else plain
    host = b"|".join(map(spelled, hosts))
    return re.compile(
        rb'(?<!\\)"(%b(?:%b)%b)(?="|%b)(%b)"(?![ \t\r\n]*:)' % (begin, host, port, end, rest), re.IGNORECASE
    )


def _spelled(text: bytes) -> bytes:
    """
    Return a pattern of all spellings of a text, in letters of either case, inside a JSON string.
    """
    ways = []
    for sign in text.decode("ascii"):
        codes = {ord(sign.lower()), ord(sign.upper())}
        way = [re.escape(sign).encode(), *(rb"\\u00%02x" % code for code in sorted(codes))]
        ways.append(b"(?:%b)" % b"|".join([*way, rb"\\/"] if sign == "/" else way))
    return b"".join(ways)


def _is_unbroken(spelled: bytes) -> bool:
    """
    Tell the same of a string as it is spelled, which has no plain sign in it that ends a URL.
    """
    return (spelled.isascii() and b"\\u" not in spelled) or is_unbroken(_text(spelled))


def _may_hold(body: bytes, places: Places) -> bool:
    small = body.lower()
    for host in places.hosts:
        if host in small:
            return True
    return b"\\" in body and _HIDDEN(body) is not None


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
    except RecursionError:
        # Other parsers have no such bound (V8's has none), and what they read must not lead round Breakwater.
        return True
    except ValueError:
        return False
    return True


def _text(spelled: bytes) -> str:
    return str(_decoded(f'"{spelled.decode("utf-8", "replace")}"'))


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

    A target that names by one of `names` what was asked for is named as it was asked for. What looks like a target with
    a known place inside a quoted parameter is rewritten too: clients that split at brackets would follow it.
    """

    def quoted(found: re.Match[str]) -> str:
        target = found[1].strip()
        return found[0] if places.beginning(target) is None else f"<{rewrite_target(target, about, places)}>"

    def shown(found: re.Match[str]) -> str:
        if found[1] is None:
            return _LINK_TARGET.sub(quoted, found[0])
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
    for _, value in pairs:
        if _SLASHES in value:
            swapped = tuple([(name, places.swapped(value)) for name, value in pairs])
            return pairs if swapped == pairs else swapped
    return pairs


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
        return places.swapped(value) if _SLASHES in value else value
    if isinstance(value, dict):
        return {name: _swapped(member, places) for name, member in value.items()}
    if isinstance(value, list):
        return [_swapped(member, places) for member in value]
    return value


def _swapped_part(part: Part, places: Places) -> Part:
    # A field is UTF-8 by the time that it is a part.
    return part if part.filename is not None else replace(part, data=places.swapped(part.data.decode()).encode())
