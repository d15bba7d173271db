"""Posts JSON to the one URL that the configuration names for alerts, and says whether it was taken."""

from __future__ import annotations

from collections.abc import Mapping

import aiohttp
import orjson
from yarl import URL

from config.alerts import HookSource, read_hook
from config.faults import Unreadable
from proxy.dial import Dialer
from proxy.errors import AddressRefused, StartRefused
from proxy.secret import Secret, read_secret

TOTAL_S = 10.0
"""A receiver only has to take it; what it does with it is for afterwards."""

WHOSE = "the webhook's URL"


class Webhook:
    """
    Where alerts are posted: nothing is followed, nothing is read, and a 2xx is a receipt.
    """

    def __init__(self, url: Secret, dialer: Dialer) -> None:
        """
        Raise `StartRefused` where that is no URL that may be dialled.
        """
        try:
            self._origin, target = read_hook(url.reveal())
        except Unreadable as error:
            raise StartRefused(f"{WHOSE}: {error.message}", error.hint) from None
        self._url = Secret(f"{self._origin}{target}")
        self._dialer = dialer
        self._session: aiohttp.ClientSession | None = None

    def __repr__(self) -> str:
        return f"Webhook({self._origin.scheme}://…)"

    async def post(self, said: Mapping[str, object]) -> str | None:
        """
        Post one message; return None once it was taken, or why it was not.
        """
        try:
            async with self._opened().post(
                URL(self._url.reveal(), encoded=True),
                data=orjson.dumps(said),
                headers={"Content-Type": "application/json", "User-Agent": "breakwater"},
                allow_redirects=False,
            ) as answer:
                return None if answer.ok and answer.status < 300 else f"it answered {answer.status}"  # the protocol's
        except (aiohttp.ClientError, TimeoutError, OSError, AddressRefused) as error:
            # What a library says of it may quote the URL.
            return f"it could not be reached: {type(error).__name__}"

    async def close(self) -> None:
        """
        Close the connection.
        """
        if self._session is not None:
            await self._session.close()

    def _opened(self) -> aiohttp.ClientSession:
        if self._session is None:
            connector = self._dialer.connector(self._origin.host, self._origin.port, idle_s=2.0)
            self._session = aiohttp.ClientSession(
                connector=connector, timeout=aiohttp.ClientTimeout(total=TOTAL_S), trust_env=False, max_line_size=8_190
            )
        return self._session


def open_webhook(source: HookSource | None, environ: Mapping[str, str], dialer: Dialer) -> Webhook | None:
    """
    Return the webhook that the configuration names, or None where it names none.

    Raise `StartRefused` where its URL cannot be read or may not be dialled.
    """
    if source is None:
        return None
    return Webhook(read_secret(source, environ, WHOSE, "alerts.webhook"), dialer)
