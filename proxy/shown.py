"""
What of an upstream's answer an agent may see: which headers, and never our credential.

A credential that an upstream echoes is overwritten with as many asterisks, so that lengths stay true.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable
from urllib.parse import quote

from proxy.secret import Secret

COMMON_HEADERS = frozenset(
    {
        "accept-ranges", "age", "allow", "cache-control", "content-disposition", "content-language",
        "content-location", "content-range", "content-type", "date", "deprecation", "etag", "expires", "last-modified",
        "link", "location", "retry-after", "sunset", "vary",
    }
)  # fmt: skip
"""Those that describe the answer itself, and those that lead on from it; a dialect adds its vendor's own."""

ECHO_LENGTH_MIN = 8
"""A shorter credential would be found everywhere by chance; no vendor issues one."""


def shown_headers(raw: Iterable[tuple[bytes, bytes]], allowed: frozenset[str]) -> tuple[tuple[str, str], ...]:
    """
    Return the answer's headers that may be shown, lower-case; those that `Connection` nominates never are.
    """
    decoded = [(name.decode("latin-1").lower(), value.decode("latin-1")) for name, value in raw]
    hop = {token.strip().lower() for name, value in decoded if name == "connection" for token in value.split(",")}
    return tuple(
        (name, value)
        for name, value in decoded
        if (name in COMMON_HEADERS or name in allowed) and name not in hop and _printable(value)
    )


def _printable(value: str) -> bool:
    return all(character == "\t" or " " <= character != "\x7f" for character in value)


class Scrubber:
    """
    Overwrites credentials, in the spellings in which an upstream may echo them, in whole answers and in streams.
    """

    def __init__(self, *secrets: Secret) -> None:
        self.hide(*secrets)

    def hide(self, *secrets: Secret) -> None:
        """
        Overwrite these credentials from now on, and no others, in streams that have begun too.
        """
        found = {needle for secret in secrets for needle in _spellings(secret.reveal())}
        # The longest first: a part of one that is overwritten would hide the rest of it from us.
        self._needles = sorted((n for n in found if len(n) >= ECHO_LENGTH_MIN), key=len, reverse=True)
        self.held_max = max((len(needle) for needle in self._needles), default=1) - 1

    def clean(self, data: bytes) -> bytes:
        """
        Return the data with every echo overwritten; the same object where there is none.
        """
        for needle in self._needles:
            if needle in data:
                data = data.replace(needle, b"*" * len(needle))
        return data

    def clean_headers(self, headers: tuple[tuple[str, str], ...]) -> tuple[tuple[str, str], ...]:
        """
        Return the headers with every echo overwritten.
        """
        return tuple((name, self.clean(value.encode("latin-1")).decode("latin-1")) for name, value in headers)

    def stream(self) -> StreamScrubber:
        """
        Return a scrubber for one stream, which finds an echo that is split over pieces.
        """
        return StreamScrubber(self)


def _spellings(text: str) -> set[bytes]:
    # The whole of it, and its secret half where it has a user's name before it.
    return {spelling for part in {text, *text.split(":", 1)[1:]} for spelling in _spellings_of(part)}


def _spellings_of(text: str) -> set[bytes]:
    raw = text.encode()
    # Base64 by itself, as Basic carries it, and as far as it is the same whatever follows it.
    encoded = {base64.b64encode(raw), base64.b64encode(raw + b":"), base64.b64encode(raw[: len(raw) // 3 * 3])}
    plain = {text, quote(text, safe=""), json.dumps(text)[1:-1]}
    return {spelled.encode() for spelled in plain} | encoded | {raw.hex().encode(), raw.hex().upper().encode()}


class StreamScrubber:
    """
    Cleans one stream piece by piece, holding back what could be the beginning of an echo.
    """

    def __init__(self, scrubber: Scrubber) -> None:
        self._scrubber, self._held = scrubber, b""
        self.echoed = False

    def feed(self, piece: bytes) -> bytes:
        """
        Take a piece, return what is certain to hold no echo.
        """
        joined = self._held + piece
        cleaned = self._scrubber.clean(joined)
        self.echoed = self.echoed or cleaned != joined
        keep = len(cleaned) - self._scrubber.held_max
        if keep <= 0:
            self._held = cleaned
            return b""
        self._held = cleaned[keep:]
        return cleaned[:keep]

    def flush(self) -> bytes:
        """
        Return what was held back, at the end of the stream.
        """
        rest, self._held = self._held, b""
        return rest
