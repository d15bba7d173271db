"""What a command does on the state folder itself, where no process serves it: under the folder's lock, on record."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from config.load import Configuration
from proxy.errors import LedgerUnavailable, StartRefused
from proxy.keys import Keys
from proxy.ledger.book import Ledger
from proxy.opening import open_ledger

T = TypeVar("T")


def on_folder(configuration: Configuration, work: Callable[[Ledger, Keys], Awaitable[T]]) -> T:
    """
    Open the ledger, do the work, close it; raise `StartRefused` where another has the folder or it cannot be written.
    """

    async def once() -> T:
        ledger, keys = open_ledger(configuration)
        ledger.start(asyncio.get_running_loop())
        try:
            return await work(ledger, keys)
        except LedgerUnavailable as error:
            hint = "see the state folder's disk; what could not be recorded was not done"
            raise StartRefused(f"the ledger cannot be written: {error}", hint) from error
        finally:
            await ledger.close("command")

    return asyncio.run(once())
