"""
Who we are at an API: one read an account and credential, remembered for as long as both stay what they are.
"""

from __future__ import annotations

from config.dialect import point_at
from proxy.doubt.reading import Reader, parsed
from proxy.sight import Plan


class Identities:
    """
    Our own identity, by account, by the version of its credential, by whose objects a call's headers choose.
    """

    def __init__(self) -> None:
        self._known: dict[tuple[str, str, tuple[tuple[str, str], ...]], object] = {}

    def __repr__(self) -> str:
        return f"Identities({len(self._known)})"

    async def of(self, reader: Reader) -> object:
        """
        Return what an API shows of whoever uses our credential, or None where that could not be read.
        """
        account, call = reader.account, reader.doubt.call
        identity = account.dialect.identity
        if identity is None:
            return None
        key = (call.api, account.current().ref, call.request.redirecting)
        if key not in self._known:
            who = point_at(parsed(await reader.take(Plan.of(identity.read, {}, ()))), identity.pointer)
            if who is None:
                return None
            self._known[key] = who
        return self._known[key]
