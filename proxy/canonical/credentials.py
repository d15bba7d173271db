"""
Where an agent's key or task token may stand in a request, and what one looks like: exactly one, or the call has no
caller.
"""

from __future__ import annotations

import base64
import binascii
import re

from breakers.verdict import Reason
from proxy.errors import Refused

# `bwk_`, the key's public id, its secret. No dots: some SDKs take a key of three dotted parts for a JWT. The bounds
# leave room for longer secrets; nothing longer is hashed or looked up.
_KEY = r"bwk_[A-Za-z0-9]{4,32}_[A-Za-z0-9_]{16,160}"
# `bw1_`, the version of the key that it was made under, and what `proxy/tokens.py` reads; as little as is no chance.
_TASK_FORM = r"(?:rk_)?bw1_[a-z0-9]{1,8}_[A-Za-z0-9_\-]{40,}"
KEY_PATTERN = re.compile(f"{_KEY}|{_TASK_FORM}")

# A token of the longest form in Basic, in base64, with its user name and the scheme; longer is nobody's key.
CREDENTIAL_BYTES_MAX = 1_024

_PLAIN = re.compile(f"(?:Bearer|token) ({KEY_PATTERN.pattern})").fullmatch
_AUTHORIZATION = re.compile(r"([A-Za-z][A-Za-z0-9\-]{0,31}) +(\S+)").fullmatch


def looks_like_key(text: str) -> bool:
    """
    Tell whether the whole of `text` has the shape of an agent's key or token.
    """
    return KEY_PATTERN.fullmatch(text) is not None


def holds_key(text: str) -> bool:
    """
    Tell whether an agent's key or token stands anywhere in `text`.
    """
    return ("bwk_" in text or "bw1_" in text) and KEY_PATTERN.search(text) is not None


def may_hold_key(text: str) -> bool:
    """
    Tell whether it is worth looking for an agent's key or token in `text`.
    """
    return "bwk_" in text or "bw1_" in text


def is_token(credential: str) -> bool:
    """
    Tell whether a credential that was found is a task token, and not an agent's key.
    """
    return credential.startswith(("bw1_", "rk_bw1_"))


def extract_key(authorization: str | None, breakwater_key: str | None) -> str:
    """
    Return the one key that a request shows, from `Authorization` (Bearer, token, Basic) or `Breakwater-Key`.

    Two that differ are refused as a conflict, none as missing, one that is not shaped like a key as unknown.
    """
    if breakwater_key is None and authorization is not None and len(authorization) <= CREDENTIAL_BYTES_MAX:
        # As nearly every client shows it: there is nothing to choose from.
        plain = _PLAIN(authorization)
        if plain is not None:
            return plain.group(1)
    shown = [] if breakwater_key is None else [breakwater_key.strip()]
    if authorization is not None:
        shown += _from_authorization(authorization)
    distinct = set(shown)
    if not distinct:
        raise Refused(Reason.KEY_MISSING, "The request shows no Breakwater key.")
    if len(distinct) > 1:
        raise Refused(Reason.KEYS_CONFLICT, "The request shows more than one key; send exactly one.")
    key = distinct.pop()
    if len(key) > CREDENTIAL_BYTES_MAX or not looks_like_key(key):
        raise Refused(Reason.KEY_UNKNOWN, "The key is not one that Breakwater knows.")
    return key


def _from_authorization(value: str) -> list[str]:
    if len(value) > CREDENTIAL_BYTES_MAX:
        raise Refused(Reason.KEY_UNKNOWN, "The key is not one that Breakwater knows.")
    if not value.strip():
        return []
    found = _AUTHORIZATION(value.strip())
    if not found:
        raise Refused(Reason.KEY_UNKNOWN, "The Authorization header is not `Bearer`, `token` or `Basic` with a key.")
    scheme, credential = found.group(1).lower(), found.group(2)
    if scheme in {"bearer", "token"}:
        return [credential]
    if scheme == "basic":
        return _from_basic(credential)
    raise Refused(Reason.KEY_UNKNOWN, "The Authorization header is not `Bearer`, `token` or `Basic` with a key.")


def _from_basic(credential: str) -> list[str]:
    try:
        text = base64.b64decode(credential, validate=True).decode("ascii")
    except (binascii.Error, ValueError):
        raise Refused(Reason.KEY_UNKNOWN, "The Basic credential is not base64 of `user:password`.") from None
    halves = text.partition(":")[::2]
    # The other half is a user name or nothing; it is not a second credential.
    return [half for half in halves if looks_like_key(half)] or [text]
