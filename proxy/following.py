"""
The vault as a worker takes it that does not keep it: several workers have one vault, and the first of them changes it.

What the keeper has sealed is put on this worker's record when it is found, and what it has destroyed as removed; no
file is made, wrapped anew or destroyed here. A version that this worker has seen removed stays removed, whatever file
comes back: a number is never used twice.
"""

from __future__ import annotations

import asyncio

from proxy.credentials import Act, Credentials, unusable
from proxy.errors import StartRefused
from proxy.secret import Secret
from proxy.vault import Version


class Following(Credentials):
    """
    What the vault of another worker holds, by this worker's own record.
    """

    async def settle(self) -> None:
        """
        Put on record what the keeper has changed since.
        """
        try:
            stored = await asyncio.to_thread(self._vault.stored)
        except OSError as error:
            raise unusable(error) from error
        for version in stored:
            if version not in self._acts:
                await self._note(version, Act.ROTATED if self.versions(version.name) else Act.PUT)
        for version, act in list(self._acts.items()):
            if act is not Act.REMOVED and version not in stored:
                await self._note(version, Act.REMOVED)

    async def put(self, name: str, secret: Secret) -> Version:  # noqa: ARG002 it is not this worker's to seal
        """
        Refuse.
        """
        raise _not_here()

    async def rotate(self, name: str, secret: Secret) -> Version:  # noqa: ARG002 it is not this worker's to seal
        """
        Refuse.
        """
        raise _not_here()

    async def go_back(self, name: str, number: int) -> Version:  # noqa: ARG002 it is not this worker's to seal
        """
        Refuse.
        """
        raise _not_here()

    async def remove(self, name: str, number: int | None = None) -> tuple[Version, ...]:  # noqa: ARG002 nor to destroy
        """
        Refuse.
        """
        raise _not_here()


def _not_here() -> StartRefused:
    return StartRefused("the first worker keeps the vault, and not this one", "ask at the parent's admin door")
