"""
What of an upstream's answer an agent may see: which headers, and never our credential.

A credential that an upstream echoes is overwritten with as many asterisks, so that lengths stay true.
"""

from __future__ import annotations

import base64
import json
import re
from urllib.parse import quote

from proxy.secret import Secret

Headers = tuple[tuple[str, str], ...]

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


def shown_headers(fields: Headers, allowed: frozenset[str]) -> Headers:
    """
    Return those of an answer's headers, by lower-case name, that may be shown; what `Connection` nominates never is.
    """
    hop = {token.strip().lower() for name, value in fields if name == "connection" for token in value.split(",")}
    shown = [pair for pair in fields if (pair[0] in COMMON_HEADERS or pair[0] in allowed) and pair[0] not in hop]
    if _UNPRINTABLE("".join([value for _, value in shown])):
        shown = [pair for pair in shown if not _UNPRINTABLE(pair[1])]
    return tuple(shown)


_UNPRINTABLE = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]").search


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
        # Where one that stands within another is not found, neither is that other one.
        self._probes = [n for n in self._needles if not any(o in n for o in self._needles if o != n)]
        self.held_max = max((len(needle) for needle in self._needles), default=1) - 1

    def clean(self, data: bytes) -> bytes:
        """
        Return the data with every echo overwritten; the same object where there is none.
        """
        for probe in self._probes:
            if probe in data:
                break
        else:
            return data
        for needle in self._needles:
            data = data.replace(needle, b"*" * len(needle))
        return data

    def clean_headers(self, headers: Headers) -> Headers:
        """
        Return the headers with every echo overwritten; the same object where there is none.
        """
        # No credential holds a line's end, so that none is found over two values.
        together = "\n".join([value for _, value in headers]).encode("latin-1")
        if self.clean(together) is together:
            return headers
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
