"""Percent-encoded `name=value` pairs, as they stand in a query and in a form body: one decoding, one spelling."""

from __future__ import annotations

import re
from functools import lru_cache
from urllib.parse import quote, unquote

from breakers.verdict import Reason
from proxy.canonical.spelling import spelled
from proxy.errors import Refused

Pairs = tuple[tuple[str, str], ...]

# What RFC 3986 lets stand in a query, and the brackets that SDKs with nested names may send bare. `;` is left out: some
# parsers split pairs at it.
_PAIR_CHARACTERS = re.compile(r"[A-Za-z0-9\-._~!$&'()*+,:@/?=%\[\]]*").fullmatch

# A percent sign that two hexadecimal digits do not follow.
_BROKEN_TRIPLET = re.compile(r"%(?![0-9A-Fa-f]{2})").search

_UNRESERVED = re.compile(r"[A-Za-z0-9\-._~]*").fullmatch

# C0, DEL and C1: invisible in every log and review, and no API names an argument with them.
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]").search

# Pairs in one query or form. Stripe's largest forms have some hundreds; without a bound, 1 MiB would hold 250,000.
PAIRS_MAX = 4_096

# The names that SDKs write come again with every request. One may be as long as a body: such a one is not kept.
_NAMES_KEPT = 1024
_KEPT_LENGTH_MAX = 256

# Names that tell a framework to read the request as another one: another method, another charset. No bundled API uses
# them, so an upstream that honours one by accident would execute what was never judged.
_STEERING = frozenset(
    {"_method", "_charset_", "x-http-method-override", "x-http-method", "x-method-override", "http-method-override"},
)


def refuse_steering(name: str, reason: Reason) -> None:
    """
    Refuse an argument whose name asks the upstream to read the request differently, in any case, with or without keys.
    """
    if name.partition("[")[0].lower() in _STEERING:
        raise Refused(
            reason, f"The argument `{spelled(name)}` would change how the request is read; it is not accepted."
        )


def decode_percent(text: str, reason: Reason) -> str:
    """
    Decode percent triplets of ASCII `text` as UTF-8; a broken triplet or invalid UTF-8 is refused.
    """
    if "%" not in text:
        return text
    if _BROKEN_TRIPLET(text):
        raise Refused(reason, "A percent sign is not followed by two hexadecimal digits.")
    try:
        return unquote(text, errors="strict")
    except UnicodeDecodeError:
        raise Refused(reason, "Percent-encoded text is not valid UTF-8.") from None


def parse_pairs(text: str, reason: Reason, *, equals_required: bool) -> Pairs:
    """
    Split `text` at `&` into decoded pairs, in order; `+` is a space.

    Refused are characters that no encoder leaves bare, empty pairs, empty names, control characters in names, NUL in
    values. Where `equals_required` is false, a name alone is a name with an empty value.
    """
    if not text:
        return ()
    if not _PAIR_CHARACTERS(text):
        raise Refused(reason, "It has a character that must be percent-encoded.")
    raw_pairs = text.split("&")
    if len(raw_pairs) > PAIRS_MAX:
        raise Refused(reason, f"It has more than {PAIRS_MAX} arguments.")
    return tuple([_pair(raw, reason, equals_required=equals_required) for raw in raw_pairs])


def _pair(raw: str, reason: Reason, *, equals_required: bool) -> tuple[str, str]:
    raw_name, equals, raw_value = raw.partition("=")
    if not raw_name:
        raise Refused(reason, "An argument has no name.")
    if equals_required and not equals:
        raise Refused(reason, "An argument has no `=`.")
    name = (_known_name if len(raw_name) <= _KEPT_LENGTH_MAX else _name)(raw_name, reason)
    if "+" not in raw_value and "%" not in raw_value:
        return name, raw_value
    value = decode_percent(raw_value.replace("+", " "), reason)
    if "\0" in value:
        raise Refused(reason, f"The value of `{spelled(name)}` holds a NUL.")
    return name, value


def _name(raw: str, reason: Reason) -> str:
    name = decode_percent(raw.replace("+", " "), reason)
    if _CONTROL(name):
        raise Refused(reason, f"The name `{spelled(name)}` holds a control character.")
    refuse_steering(name, reason)
    return name


_known_name = lru_cache(maxsize=_NAMES_KEPT)(_name)


def encode_pairs(pairs: Pairs) -> str:
    """
    Return the one spelling of `pairs`: all but unreserved characters percent-encoded, a space as `%20`.

    `%20` and not `+`, because every decoder of queries and forms agrees on it.
    """
    return "&".join([f"{_encoded_name(name)}={_encoded(value)}" for name, value in pairs])


def _encoded(text: str) -> str:
    # Most texts are their own spelling, and to see that costs a fifth of spelling them anew.
    return text if _UNRESERVED(text) else quote(text, safe="")


def _encoded_name(name: str) -> str:
    return _known_encoded(name) if len(name) <= _KEPT_LENGTH_MAX else _encoded(name)


_known_encoded = lru_cache(maxsize=_NAMES_KEPT)(_encoded)
