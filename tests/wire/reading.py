"""
What a request says, read from its bytes alone: path, query, headers and body, each decoded in exactly one way.

The second half of the independent parser. A reading is what an upstream that follows the specifications would act on;
the bracket tree is how Stripe's own servers group form names. Anything that two readers could take for two things
raises `Unparsable`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass

from tests.wire.parser import Message, Unparsable

Pairs = tuple[tuple[str, str], ...]

_SEGMENT = re.compile(rb"(?:[A-Za-z0-9\-._~!$&'()*+,;=:@]|%[0-9A-Fa-f]{2})+")
_QUERY_TEXT = re.compile(rb"(?:[A-Za-z0-9\-._~!$'()*+,;:@/?\[\]]|%[0-9A-Fa-f]{2})*")
_ESCAPE = re.compile(rb"%([0-9A-Fa-f]{2})")
_NAME = re.compile(r"([^\[\]]+)((?:\[[^\[\]]*\])*)")
_GROUP = re.compile(r"\[([^\[\]]*)\]")
_INDEX = re.compile(r"0|[1-9][0-9]*")
_MEDIA_TYPE = re.compile(r"([a-z0-9!#$&^_.+-]+/[a-z0-9!#$&^_.+-]+)\s*(.*)", re.IGNORECASE)
_PARAMETER = re.compile(r';\s*([a-z0-9-]+)=(?:"([^"\\]*)"|([!#$%&\'*+.^_`|~0-9a-z-]+))\s*', re.IGNORECASE)
_DISPOSITION = re.compile(r'form-data; name="([^"]*)"(?:; filename="([^"]*)")?')
_KEY_MAX = 255
_HTML_ESCAPES = {"%22": '"', "%0D": "\r", "%0A": "\n"}


@dataclass(frozen=True, slots=True)
class Field:
    """
    One field of a multipart body.
    """

    name: str
    filename: str | None
    media_type: str | None
    data: bytes


@dataclass(frozen=True, slots=True)
class Number:
    """
    A JSON number that is not an integer, as its text: no reader's rounding is taken for its meaning.
    """

    text: str


@dataclass(frozen=True, slots=True)
class Body:
    """
    What a body says: `shape` is none, form, json, multipart or opaque, and names the one field that holds it.
    """

    shape: str
    form: Pairs = ()
    json: object = None
    multipart: tuple[Field, ...] = ()
    opaque: bytes = b""


@dataclass(frozen=True, slots=True)
class Reading:
    """
    What one request says.
    """

    method: str
    segments: tuple[str, ...]
    query: Pairs
    headers: tuple[tuple[str, str], ...]
    media_type: str | None
    body: Body

    def header(self, name: str) -> str | None:
        """
        Return the one value of a header, None where it is absent.
        """
        found = [value for other, value in self.headers if other == name]
        if len(found) > 1:
            raise Unparsable(f"two {name} headers")
        return found[0] if found else None


def read(message: Message) -> Reading:
    """
    Return what a message says.
    """
    path, mark, query = message.target.partition(b"?")
    headers = tuple((name.lower(), value) for name, value in message.headers)
    kinds = [value for name, value in headers if name == "content-type"]
    if len(kinds) > 1:
        raise Unparsable("two media types")
    media_type, parameters = read_media_type(kinds[0]) if kinds else (None, {})
    body = _body(message.body, media_type, parameters)
    if mark and not query:
        raise Unparsable("an empty query")
    # An `&` at the very end separates nothing, to any reader.
    query = query.removesuffix(b"&")
    pairs = read_pairs(query) if query else ()
    return Reading(message.method, read_path(path), pairs, headers, media_type, body)


def read_path(path: bytes) -> tuple[str, ...]:
    """
    Return the decoded segments of a path.
    """
    if not path.startswith(b"/"):
        raise Unparsable("a path")
    segments = []
    for raw in path[1:].split(b"/"):
        if _SEGMENT.fullmatch(raw) is None:
            raise Unparsable("a segment")
        text = _decode(raw)
        # One more decoding, by whoever stands behind the upstream, must not make a dot segment of it.
        if text in {".", ".."} or _decode_leniently(text) in {".", ".."}:
            raise Unparsable("a dot segment")
        segments.append(text)
    return tuple(segments)


def read_pairs(text: bytes) -> Pairs:
    """
    Return the decoded pairs of a query or a form, in order.
    """
    pairs = []
    for raw in text.split(b"&"):
        name, _, value = raw.partition(b"=")
        if _QUERY_TEXT.fullmatch(name) is None or _QUERY_TEXT.fullmatch(value.replace(b"=", b"")) is None:
            raise Unparsable("a pair")
        # Some readers split at `;` too: it may stand only inside an escape.
        if b";" in raw:
            raise Unparsable("a semicolon between pairs")
        pairs.append((_decode(name.replace(b"+", b" ")), _decode(value.replace(b"+", b" "))))
    return tuple(pairs)


def _decode(raw: bytes) -> str:
    try:
        return _ESCAPE.sub(lambda found: bytes([int(found[1], 16)]), raw).decode()
    except UnicodeDecodeError:
        raise Unparsable("not UTF-8") from None


def _decode_leniently(text: str) -> str:
    return _ESCAPE.sub(lambda found: bytes([int(found[1], 16)]), text.encode()).decode(errors="replace")


def read_media_type(value: str) -> tuple[str, dict[str, str]]:
    """
    Return a media type and its parameters, lower-case but for the parameters' values.
    """
    match = _MEDIA_TYPE.fullmatch(value)
    if match is None:
        raise Unparsable("a media type")
    found = list(_PARAMETER.finditer(match[2]))
    if "".join(one[0] for one in found) != match[2]:
        raise Unparsable("a media type's parameters")
    parameters = {one[1].lower(): one[2] if one[2] is not None else one[3] for one in found}
    if len(parameters) != len(found):
        raise Unparsable("a parameter twice")
    return match[1].lower(), parameters


def _body(raw: bytes, media_type: str | None, parameters: dict[str, str]) -> Body:
    if media_type is None:
        if raw:
            raise Unparsable("a body without a media type")
        return Body("none")
    if parameters.get("charset", "utf-8").lower() != "utf-8":
        raise Unparsable("a charset")
    if media_type == "application/x-www-form-urlencoded":
        return Body("form", form=read_pairs(raw) if raw else ())
    if media_type == "application/json" or media_type.endswith("+json"):
        return Body("json", json=read_json(raw)) if raw else Body("none")
    if media_type == "multipart/form-data":
        return Body("multipart", multipart=read_multipart(raw, parameters.get("boundary", "")))
    return Body("opaque", opaque=raw)


def read_json(raw: bytes) -> object:
    """
    Return a JSON value.
    """
    try:
        value: object = json.loads(
            raw.decode(), object_pairs_hook=_members, parse_constant=_no_constant, parse_float=Number
        )
        # A surrogate without its other half is text to nobody.
        json.dumps(value, ensure_ascii=False, default=repr).encode()
    except (UnicodeError, ValueError, RecursionError) as broken:
        raise Unparsable(f"JSON: {type(broken).__name__}") from None
    return value


def _members(pairs: Sequence[tuple[str, object]]) -> dict[str, object]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise Unparsable("a member twice")
    return members


def _no_constant(text: str) -> object:
    raise Unparsable(f"{text} in JSON")


def read_multipart(raw: bytes, boundary: str) -> tuple[Field, ...]:
    """
    Return the fields of a multipart body that has neither preamble nor epilogue.
    """
    if not 1 <= len(boundary) <= 70:
        raise Unparsable("a boundary")
    fence = b"--" + boundary.encode()
    if not raw.startswith(fence + b"\r\n") or not raw.endswith(b"\r\n" + fence + b"--\r\n"):
        raise Unparsable("the ends of a multipart body")
    inner = b"\r\n" + raw[: -len(fence) - 6]
    return tuple(_field(piece) for piece in inner.split(b"\r\n" + fence + b"\r\n")[1:])


def _field(piece: bytes) -> Field:
    head, separator, data = piece.partition(b"\r\n\r\n")
    if not separator:
        raise Unparsable("a part without a head")
    named: dict[str, str] = {}
    for line in head.split(b"\r\n"):
        name, colon, value = line.decode().partition(":")
        if not colon or name.lower() in named or "\n" in line.decode() or "\r" in line.decode():
            raise Unparsable("a part's head")
        named[name.lower()] = value.strip()
    if not named.keys() <= {"content-disposition", "content-type"}:
        raise Unparsable("a part's header")
    match = _DISPOSITION.fullmatch(named.get("content-disposition", ""))
    if match is None:
        raise Unparsable("a part's disposition")
    filename = None if match[2] is None else _unescape(match[2])
    # A type has no case; its parameters may.
    kind, mark, parameters = named.get("content-type", "").partition(";")
    return Field(_unescape(match[1]), filename, kind.lower() + mark + parameters or None, data)


def _unescape(text: str) -> str:
    return re.sub("%22|%0D|%0A", lambda found: _HTML_ESCAPES[found[0]], text, flags=re.IGNORECASE)


def read_key(value: str) -> str | None:
    """
    Return the idempotency key that a header's value says, bare or as a string of RFC 8941; None where it says none.
    """
    key = value
    if value.startswith('"'):
        key, rest = "", value[1:]
        while rest and rest[0] != '"':
            taken = rest[:2] if rest[0] == "\\" else rest[0]
            if taken[0] == "\\" and taken not in {'\\"', "\\\\"}:
                return None
            key, rest = key + taken[-1], rest[len(taken) :]
        if rest != '"':
            return None
    return key if 0 < len(key) <= _KEY_MAX and all("!" <= letter <= "~" for letter in key) else None


# -------------------------------------------------------------------------------------------------------- bracket tree

Tree = dict[str, "Tree | str"]
_LIST = "[]"


def tree(pairs: Pairs) -> dict[str, object]:
    """
    Return the values that form pairs spell: scalars, maps and lists.

    Raise `Unparsable` where one prefix would be two of them, or a list has holes.
    """
    root: Tree = {}
    for name, value in pairs:
        match = _NAME.fullmatch(name)
        if match is None:
            raise Unparsable("a form name")
        _plant(root, [match[1], *_GROUP.findall(match[2])], value)
    return {name: _grown(node) for name, node in root.items()}


def _plant(root: Tree, keys: list[str], value: str) -> None:
    node = root
    for position, key in enumerate(keys):
        last = position == len(keys) - 1
        if key == "" and not last:
            raise Unparsable("a list of maps without indices")
        # Appended items get a name that no group can spell, so that they never mix with indices or keys.
        spelled = f"{_LIST}{len(node)}" if key == "" else key
        if last:
            if spelled in node:
                raise Unparsable("a name twice")
            node[spelled] = value
            return
        child = node.setdefault(spelled, {})
        if isinstance(child, str):
            raise Unparsable("a scalar and more")
        node = child


def _grown(node: Tree | str) -> object:
    if isinstance(node, str):
        return node
    appended = [name.startswith(_LIST) for name in node]
    indices = [_INDEX.fullmatch(name) is not None for name in node]
    if any(appended):
        if not all(appended):
            raise Unparsable("a list and more")
        return [_grown(child) for child in node.values()]
    if any(indices) and all(indices):
        numbered = {int(name): child for name, child in node.items()}
        if sorted(numbered) != list(range(len(numbered))):
            raise Unparsable("a list with holes")
        return [_grown(numbered[index]) for index in range(len(numbered))]
    if any(indices):
        raise Unparsable("a list and a map")
    return {name: _grown(child) for name, child in node.items()}
