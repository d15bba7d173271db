"""
Secrets that no other run has, and the spellings in which one could slip out.

Every secret that a test gives away carries the run's mark, and what is searched for is the mark: the search costs the
same however many secrets there are, and no test has to name its own.
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import re
import secrets
import zlib
from collections.abc import Iterator
from urllib.parse import quote, quote_plus

# Workers inherit it from the process that started them. Given from outside, it repeats a run to the byte.
MARK = os.environ.setdefault("CANARY_MARK", secrets.token_hex(8))
_WORKER = os.environ.get("PYTEST_XDIST_WORKER", "alone")

# Whatever is shorter stands somewhere by chance.
_FORM_BYTES_MIN = 8

# Of what unpacks to more, the beginning says enough.
_UNPACKED_MAX = 16 * 1024 * 1024
_GZIP = b"\x1f\x8b\x08"

issued: set[str] = set()


def secret(name: str, tail: str = "") -> str:
    """
    Return this worker's secret of that name, like no vendor's key; a tail may have signs that encoders spell otherwise.
    """
    issued.add(text := f"canary-{MARK}-{_WORKER}-{name}{tail}")
    return text


def forms(raw: bytes) -> dict[bytes, str]:
    """
    Return every spelling of a secret with its name; of base64, as far as no neighbour has a share in a character.
    """
    found = {raw.hex().encode(): "hex", raw.hex().upper().encode(): "upper-case hex"}
    for offset in range(3):
        for name, spell in (("base64", base64.b64encode), ("URL-safe base64", base64.urlsafe_b64encode)):
            whole = spell(bytes(offset) + raw)
            found[whole[-(-8 * offset // 6) : 8 * (offset + len(raw)) // 6]] = name
    percent = {quote(raw, safe="").encode(), quote(raw).encode(), quote_plus(raw).encode()}
    small = {re.sub(rb"%..", lambda sign: sign[0].lower(), form) for form in percent}
    found |= dict.fromkeys(percent | small, "percent-encoded")
    for ascii_only in (False, True):
        text = json.dumps(raw.decode("utf-8", "surrogateescape"), ensure_ascii=ascii_only)
        escaped = text[1:-1].encode("utf-8", "surrogateescape")
        found |= dict.fromkeys((escaped, escaped.replace(b"/", b"\\/")), "JSON-escaped")
    found[raw] = "plain"
    return {form: name for form, name in found.items() if len(form) >= _FORM_BYTES_MIN}


def unpacked(data: bytes) -> Iterator[bytes]:
    """
    Yield the data, and what is packed by gzip anywhere in it.
    """
    yield data
    at = data.find(_GZIP)
    while at >= 0:
        with contextlib.suppress(zlib.error):
            # 31: with the header and the largest window that gzip has.
            yield zlib.decompressobj(31).decompress(data[at:], _UNPACKED_MAX)
        at = data.find(_GZIP, at + 1)
