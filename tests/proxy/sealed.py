"""A vault for tests: on a disk in memory with its ledger beside it, or in a real state folder before a road starts."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from proxy import app
from proxy.credentials import Credentials
from proxy.ledger.book import Ledger
from proxy.ledger.drafts import checked, system
from proxy.ledger.keyring import KeyRing
from proxy.opening import open_ledger
from proxy.secret import Secret
from proxy.vault import Vault
from tests.ledger.memory_disk import MemoryDisk
from tests.ledger.world import FOLDER, START, Counted, World, commit_now
from tests.proxy.road import configured

VAULT = FOLDER / "vault"
AT = START


def ring(*versions: int) -> KeyRing:
    """
    Return a key ring that holds these versions, the last of them current.
    """
    return KeyRing({version: bytes([version]) * 32 for version in versions}, versions[-1])


def vault(disk: MemoryDisk | None = None, keys: KeyRing | None = None) -> Vault:
    """
    Return a vault on a disk in memory.
    """
    return Vault(VAULT, disk or MemoryDisk(), keys or ring(1), Counted())


@dataclass
class Kept:
    """A state folder in memory: its ledger, its vault, and what a process would hand to its accounts."""

    world: World
    ledger: Ledger
    credentials: Credentials
    handed: dict[str, list[tuple[str, str]]] = field(default_factory=dict)

    @classmethod
    def on(cls, world: World, used_by: dict[str, tuple[str, ...]] | None = None) -> Kept:
        """
        Open what is on a disk, and record without the writer's thread.
        """
        ledger = world.open()

        async def record(name: str, number: int, act: str) -> None:
            commit_now(ledger, checked(system("credential.changed", name=name, ver=number, how=act)))

        def on_change(name: str, versions: Sequence[tuple[str, Secret]]) -> None:
            kept.handed[name] = [(ref, secret.reveal()) for ref, secret in versions]

        credentials = Credentials(
            Vault(VAULT, world.disk, ledger.ring, world.randomness),
            world.clock,
            record,
            ledger.recovered.credentials,
            {"stripe": ("stripe",)} if used_by is None else used_by,
            on_change=on_change,
        )
        kept = cls(world, ledger, credentials)
        return kept

    def current(self, name: str = "stripe") -> str | None:
        """
        Return what a call would take.
        """
        return self.handed[name][0][1] if name in self.handed else None


def put(folder: Path, name: str, text: str) -> None:
    """
    Seal a credential in a real state folder, as the command does where no process runs.
    """

    async def once() -> None:
        configuration = configured(folder, {})
        ledger, _ = open_ledger(configuration)
        ledger.start(asyncio.get_running_loop())
        credentials = app.open_credentials(configuration, ledger)
        await credentials.put(name, Secret(text))
        await ledger.close("command")

    asyncio.run(once())


async def put_here(folder: Path, name: str, text: str) -> None:
    """
    Do the same from a loop that runs.
    """
    await asyncio.to_thread(put, folder, name, text)
