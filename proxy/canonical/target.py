"""
The request target: decoded segments and query pairs with one meaning, and the one spelling that is sent.

A path is decoded exactly once, segment by segment, so that an encoded slash stays inside its segment; whatever another
parser could read as one more level, one level up or one decoding later (dot segments, empty segments, backslashes,
`;`, a second layer of percent-encoding, characters that compatibility normalisation turns into delimiters) is refused.

In the sent spelling, path segments leave unreserved characters and ``! $ & ' ( ) * , : @ =`` bare, so that the literal
parts of a template are spelled as its vendor documents them; `+` is sent as `%2B`, because some servers read a bare one
as a space even in a path. In a query everything but unreserved characters is encoded, brackets too.
"""

from __future__ import annotations

import re
import unicodedata
from urllib.parse import quote

from breakers.noun import noun
from breakers.verdict import Reason
from proxy.canonical.credentials import holds_key, may_hold_key
from proxy.canonical.pairs import Pairs, decode_percent, encode_pairs, parse_pairs
from proxy.errors import Refused

# The longest request line that the server's parser takes; what we send must fit into the same at the other end.
TARGET_BYTES_MAX = 8_190

_SEGMENT_SAFE = "!$&'()*,:@="

# Paths and queries that are their own canonical spelling; all that ordinary SDKs send. A dot that begins a segment
# takes the slow road, where dot segments are told from names.
_PLAIN_PATH = re.compile(r"(?:/[A-Za-z0-9\-._~!$&'()*,:@=]+)+").fullmatch
_PLAIN_QUERY = re.compile(
    r"[A-Za-z0-9\-._~]+=[A-Za-z0-9\-._~]*(?:&[A-Za-z0-9\-._~]+=[A-Za-z0-9\-._~]*)*",
).fullmatch

_PRINTABLE = re.compile(r"[!-~]+").fullmatch
_PATH_CHARACTERS = re.compile(r"[A-Za-z0-9\-._~!$&'()*+,:@=%/;\\]*").fullmatch
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]").search

# A second layer of encoding, or the `%uXXXX` of one vendor's servers: some decoder would read another path.
_ENCODED_AGAIN = re.compile(r"%(?:[0-9A-Fa-f]{2}|u[0-9A-Fa-f]{4})").search

_DELIMITERS = frozenset("/\\.%;?#:@")


@noun
class Target:
    """
    A request target, decoded: path segments (none for the bare `/`) and query pairs in the order in which they came.
    """

    segments: tuple[str, ...]
    query: Pairs = ()


def parse_target(raw: str) -> Target:
    """
    Parse an origin-form request target, still percent-encoded, or refuse it.
    """
    path, mark, query = raw.partition("?")
    if len(raw) <= TARGET_BYTES_MAX and not may_hold_key(raw) and _PLAIN_PATH(path) and "/." not in path:
        segments = tuple(path[1:].split("/"))
        if not mark:
            return Target(segments)
        if _PLAIN_QUERY(query) and not _may_steer(query):
            return Target(segments, tuple([_halves(pair) for pair in query.split("&")]))
    return _parse_carefully(raw, path, query)


def encode_target(segments: tuple[str, ...], query: Pairs = ()) -> str:
    """
    Return the one spelling of a target.
    """
    path = "/" + "/".join(segments)
    if len(segments) != path.count("/") or not _PLAIN_PATH(path):
        path = "/" + "/".join([quote(segment, safe=_SEGMENT_SAFE) for segment in segments])
    return f"{path}?{encode_pairs(query)}" if query else path


def refuse_long(target: str) -> None:
    """
    Refuse a target that is longer than the next parser may take.
    """
    if len(target) > TARGET_BYTES_MAX:
        raise Refused(Reason.HEAD_TOO_LARGE, f"The request target is longer than {TARGET_BYTES_MAX} bytes.")


def _halves(pair: str) -> tuple[str, str]:
    name, _, value = pair.partition("=")
    return name, value


def _may_steer(query: str) -> bool:
    lower = query.lower()
    return "method" in lower or "_charset_" in lower


def _parse_carefully(raw: str, path: str, query: str) -> Target:
    refuse_long(raw)
    if not path.startswith("/"):
        raise Refused(Reason.TARGET_MALFORMED, "The request target must be a path that begins with `/`.")
    if not _PRINTABLE(raw) or "#" in raw:
        raise Refused(Reason.TARGET_MALFORMED, "The request target has a character that must be percent-encoded.")
    if not _PATH_CHARACTERS(path):
        raise Refused(Reason.TARGET_MALFORMED, "The path has a character that must be percent-encoded.")
    segments = () if path == "/" else tuple([_segment(piece) for piece in path[1:].split("/")])
    # One `&` at the end separates nothing, for any parser; octokit writes it where its last argument is left out.
    pairs = parse_pairs(query.removesuffix("&"), Reason.QUERY_MALFORMED, equals_required=False)
    target = Target(segments, pairs)
    _refuse_keys(target)
    # Encoding makes at most three bytes of one.
    if 3 * len(raw) > TARGET_BYTES_MAX:
        refuse_long(encode_target(target.segments, target.query))
    return target


def _segment(raw: str) -> str:
    text = decode_percent(raw, Reason.TARGET_MALFORMED)
    fault = segment_fault(text)
    if fault:
        raise Refused(Reason.TARGET_MALFORMED, fault)
    return text


def segment_fault(text: str) -> str:
    """
    Return why a decoded segment could be read in two ways, or nothing where it cannot.
    """
    # Pieces, because an upstream may decode an encoded slash before it resolves dot segments.
    pieces = text.split("/")
    if "" in pieces:
        return "The path has an empty segment or ends in a slash."
    if "." in pieces or ".." in pieces:
        return "The path has a dot segment."
    if ";" in text or "\\" in text:
        return "The path holds `;` or a backslash."
    if _CONTROL(text):
        return "The path holds a control character."
    if _ENCODED_AGAIN(text):
        return "The path is percent-encoded twice."
    if not text.isascii() and not _DELIMITERS.isdisjoint(_compatibility_forms(text)):
        return "The path holds a character that normalisation turns into a delimiter."
    return ""


def _compatibility_forms(text: str) -> str:
    return "".join([unicodedata.normalize("NFKC", character) for character in text if not character.isascii()])


def _refuse_keys(target: Target) -> None:
    if any(holds_key(segment) for segment in target.segments):
        raise Refused(Reason.TARGET_MALFORMED, "A Breakwater key does not belong in a path; send it in a header.")
    if any(holds_key(text) for pair in target.query for text in pair):
        raise Refused(Reason.QUERY_MALFORMED, "A Breakwater key does not belong in a query; send it in a header.")
