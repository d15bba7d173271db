"""
URLs that begin at a place that is known, and what they begin with instead: one table for answers, one for requests.

A place is an origin and the beginning of a path. It is met exactly: host in any case, port as a number, no user, no
dot behind the host; `https://api.example.com.evil` and `https://api.example.com@evil` are other places. Two spellings
are met beside the exact one, because a client that followed them would go round Breakwater with the agent's key:

* the other scheme on its own default port (`http://` where the origin is `https://`), which is the same vendor's host;
* no scheme (`//api.example.com/x`), which a client completes with its own.

A text is wholly a URL where nothing in it ends a URL: white space, a control character, or one of the signs that
surround URLs in texts (quote, angle brackets, backslash, backquote). Braces may stand in it, because a URI template is
made of a URL's characters and braces (RFC 6570).
"""

from __future__ import annotations

import re
from collections.abc import Iterable

_AUTHORITY = re.compile(
    r"(?:(https?):)?//(\[[0-9a-f:.]+\]|[a-z0-9._-]+)(?::([0-9]{0,5}))?(?=[/?#{]|\Z)", re.IGNORECASE | re.ASCII
).match
_UNBROKEN = re.compile(r'[^\s\x00-\x1f\x7f-\x9f"<>\\`]*').fullmatch

# After the beginning of a path only one of these, or nothing: `/github` is not where `/github.uploads` begins.
_BOUNDARIES = "/?#{"

_PORTS = {"http": 80, "https": 443}
_TWIN = {80: 443, 443: 80}


class Places:
    """
    What URLs that begin at known places begin with instead: rows of (place, replacement), the first of a place holds.
    """

    def __init__(self, rows: Iterable[tuple[str, str]]) -> None:
        self._by_origin: dict[tuple[str, int], list[tuple[str, str]]] = {}
        exact, twins = [], []
        for place, instead in rows:
            found = _AUTHORITY(place)
            if found is None:
                raise ValueError(f"no place to begin at: {place}")
            host, port = found[2].lower(), int(found[3] or 0) or _PORTS[found[1].lower()]
            exact.append(((host, port), (place[found.end() :], instead)))
            if port in _TWIN:
                twins.append(((host, _TWIN[port]), (place[found.end() :], instead)))
        for origin, row in (*exact, *twins):
            self._by_origin.setdefault(origin, []).append(row)
        self.hosts = tuple(sorted({host.encode() for host, _ in self._by_origin}))
        """Their hosts in small letters: a text without any of them holds no such URL."""

    def __repr__(self) -> str:
        return f"Places({len(self._by_origin)} origins)"

    def beginning(self, text: str) -> tuple[int, str] | None:
        """
        Return how many characters of `text` are the place that it begins at, and what stands there instead, or None.
        """
        found = _AUTHORITY(text)
        if found is None:
            return None
        scheme, host, port = found[1], found[2].lower(), found[3]
        for number in (int(port),) if port else (_PORTS[scheme.lower()],) if scheme else (443, 80):
            for path, instead in self._by_origin.get((host, number), ()):
                end = found.end() + len(path)
                if text.startswith(path, found.end()) and text[end : end + 1] in _BOUNDARIES:
                    return end, instead
        return None

    def whole(self, text: str) -> tuple[int, str] | None:
        """
        Return the same for a text that is wholly a URL or URI template, and None for any other.
        """
        if text[:2] != "//" and text[:4].lower() != "http":
            return None
        begun = self.beginning(text)
        return begun if begun is not None and is_unbroken(text) else None

    def swapped(self, text: str) -> str:
        """
        Return the text with the place that it begins at replaced, where it is wholly a URL that begins at one.
        """
        begun = self.whole(text)
        return text if begun is None else begun[1] + text[begun[0] :]


def is_unbroken(text: str) -> bool:
    """
    Tell whether nothing in a text ends a URL.
    """
    return _UNBROKEN(text) is not None


NOWHERE = Places(())
