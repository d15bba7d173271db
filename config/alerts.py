"""Whom to tell: where alerts go beside the log and the metrics."""

from __future__ import annotations

from typing import ClassVar

from config.faults import Unreadable
from config.store import PasswordSource
from config.written import Origin, Strict, UnixSocket, read_origin

TARGET_CHARS_MAX = 2_000


class HookSource(PasswordSource):
    """
    Where a webhook's URL is: whoever knows it may post there, so that it is kept like a credential.
    """

    what: ClassVar[str] = "a webhook's URL"
    example: ClassVar[str] = "BREAKWATER_WEBHOOK"


class Alerts(Strict):
    """
    Where alerts go.
    """

    webhook: HookSource | None = None
    """Where the URL is to which each alert is posted as JSON, at least once: `{env: NAME}` or `{file: PATH}`."""


def read_hook(url: str) -> tuple[Origin, str]:
    """
    Return a webhook's origin and its request target. Raises `Unreadable`, without repeating the URL.

    It is dialled as an upstream is: a name with TLS at a public address only, an address literal as written.
    """
    scheme, separator, rest = url.partition("://")
    host, slash, path = rest.partition("/")
    if not separator or not path.isascii() or not path.isprintable() or len(path) > TARGET_CHARS_MAX or "#" in path:
        raise Unreadable("this is no URL of a webhook", "write `https://hooks.example.com/breakwater`")
    try:
        origin = read_origin(f"{scheme}://{host}")
    except Unreadable as error:
        raise Unreadable("this webhook cannot be dialled", error.hint) from None
    assert not isinstance(origin, UnixSocket)
    return origin, slash + path or "/"
