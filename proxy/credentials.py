"""
Changes of what the vault holds: each one on record, `credential.changed{name, ver, how}`, and one at a time.

The record says which versions there are; the newest of them is current. A number is never used twice.

    put, rotate    seal the file > record it > calls take it    stopped before the record, the file stands alone: the
                                                                next opening records it before anything takes it
    remove         record it > destroy the file                 stopped before the file is gone: the next opening
                                                                destroys it

So after a stop anywhere there is the state before or the one after, and a credential that was removed does not come
back with an old copy of the folder. A rotation keeps the versions before it sealed, so that there is a way back, and
destroys older ones. Calls do not need the files: what a call took it holds in memory until it has ended.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from enum import StrEnum

from config.written import NAME
from proxy.clock import Clock
from proxy.errors import LedgerUnavailable, StartRefused
from proxy.ledger.drafts import stamp
from proxy.secret import Secret
from proxy.vault import Vault, Version

FORMER_KEPT = 2
"""Versions that stay sealed beside the current one: the way back from a rotation, and from one that followed it."""

LIST_HINT = "`breakwater vault list` prints what it holds"


class Act(StrEnum):
    """
    What was done to a version.
    """

    PUT = "put"
    ROTATED = "rotated"
    REMOVED = "removed"


Record = Callable[[str, int, str], Awaitable[None]]
"""Make one change durable in the ledger."""

OnChange = Callable[[str, Sequence[tuple[str, Secret]]], None]
"""Be told a name and the versions that there are from now on, the current one first."""


class Credentials:
    """
    What the vault holds, as the record says it; `used_by` names the APIs that are configured to need each name.
    """

    def __init__(
        self,
        vault: Vault,
        clock: Clock,
        record: Record,
        on_record: Mapping[tuple[str, int], str],
        used_by: Mapping[str, tuple[str, ...]],
        *,
        unsure: Callable[[], bool] = lambda: False,
        on_change: OnChange | None = None,
    ) -> None:
        self._vault, self._clock, self._record = vault, clock, record
        self._acts = {Version(name, number): Act(act) for (name, number), act in on_record.items()}
        self._used_by, self._unsure, self._on_change = used_by, unsure, on_change
        self._one_at_a_time = asyncio.Lock()

    def __repr__(self) -> str:
        return f"Credentials({len(self.names())} names)"

    def names(self) -> tuple[str, ...]:
        """
        Return the names that there are.
        """
        return tuple(sorted({version.name for version, act in self._acts.items() if act is not Act.REMOVED}))

    def versions(self, name: str) -> tuple[Version, ...]:
        """
        Return the versions that there are of a name, the current one first.
        """
        found = (version for version, act in self._acts.items() if version.name == name and act is not Act.REMOVED)
        return tuple(sorted(found, reverse=True))

    async def settle(self) -> None:
        """
        Finish what a stop cut short, before anything is taken from the vault.

        Raise `StartRefused` where the folder cannot be used, `LedgerUnavailable` where that cannot be recorded.
        """
        try:
            await asyncio.to_thread(self._vault.tend)
            for version in self._vault.stored():
                act = self._acts.get(version)
                if act is None:
                    await self._note(version, Act.ROTATED if self.versions(version.name) else Act.PUT)
                elif act is Act.REMOVED:
                    await asyncio.to_thread(self._vault.destroy, version)
        except OSError as error:
            raise unusable(error) from error

    async def start(self) -> None:
        """
        Settle, and hand out every credential that an API needs; raise `StartRefused` where one is missing.
        """
        await self.settle()
        for name, apis in self._used_by.items():
            if not self.versions(name):
                raise missing(name, apis[0])
            await self._turn(name)

    async def again(self) -> None:
        """
        Take what somebody else has changed in the folder, for the next call.
        """
        async with self._one_at_a_time:
            await self.settle()
            for name in self._used_by:
                if self.versions(name):
                    await self._turn(name)

    async def put(self, name: str, secret: Secret) -> Version:
        """
        Seal the first version of a name; raise `StartRefused` where there is one.
        """
        async with self._one_at_a_time:
            await self.settle()
            admit_name(name)
            if held := self.versions(name):
                hint = f"`breakwater vault rotate {name}` gives it a new version"
                raise StartRefused(f"the vault holds '{name}' already, version {held[0].number}", hint)
            return await self._add(name, Act.PUT, secret)

    async def rotate(self, name: str, secret: Secret) -> Version:
        """
        Seal a new version of a name, which the next call takes; raise `StartRefused` where there is none to follow.
        """
        async with self._one_at_a_time:
            await self.settle()
            self._known(name)
            return await self._rotate(name, secret)

    async def go_back(self, name: str, number: int) -> Version:
        """
        Seal what a former version holds as a new one; raise `StartRefused` where that version is not there.
        """
        async with self._one_at_a_time:
            await self.settle()
            current, *_ = self._known(name)
            if Version(name, number) == current:
                raise StartRefused(f"version {number} of '{name}' is the current one", LIST_HINT)
            former = self._former(name, number)
            return await self._rotate(name, await asyncio.to_thread(self._vault.open, former))

    async def remove(self, name: str, number: int | None = None) -> tuple[Version, ...]:
        """
        Destroy a former version of a name, or the name whole where no API is configured to need it.

        Raise `StartRefused` where it is needed, or is not there.
        """
        async with self._one_at_a_time:
            await self.settle()
            current, *_ = held = self._known(name)
            if number is None:
                self._refuse_needed(name)
                # The current one goes last: until then the name is what it was.
                gone = tuple(reversed(held))
            elif Version(name, number) == current:
                hint = f"rotate it first, or remove the whole of it: `breakwater vault remove {name}`"
                raise StartRefused(f"version {number} of '{name}' is the current one", hint)
            else:
                gone = (self._former(name, number),)
            try:
                for version in gone:
                    await self._drop(version)
            except OSError as error:
                raise unusable(error) from error
            except LedgerUnavailable as error:
                raise StartRefused(f"the ledger cannot be written, so it is not removed: {error}", LIST_HINT) from error
            await self._turn(name)
            return gone

    async def listed(self) -> list[dict[str, object]]:
        """
        Return what there is, by name, newest first: never a secret; and what an API needs and is not there.
        """
        async with self._one_at_a_time:
            return await asyncio.to_thread(self._listed)

    def _listed(self) -> list[dict[str, object]]:
        rows: list[dict[str, object]] = []
        for name in sorted({*self.names(), *self._used_by}):
            apis = list(self._used_by.get(name, ()))
            versions = self.versions(name)
            if not versions:
                rows.append({"name": name, "version": None, "state": "missing", "at": None, "apis": apis})
            for version in versions:
                current = version == versions[0]
                at = self._vault.sealed_at(version)
                rows.append(
                    {
                        "name": name,
                        "version": version.number,
                        "state": self._state(version, current=current),
                        "at": stamp(at) if at is not None else None,
                        "apis": apis if current else [],
                    }
                )
        return rows

    def _state(self, version: Version, *, current: bool) -> str:
        try:
            self._vault.open(version)
        except StartRefused:
            return "unreadable"
        return "current" if current else "former"

    def _known(self, name: str) -> tuple[Version, ...]:
        if held := self.versions(name):
            return held
        admit_name(name)
        raise StartRefused(f"the vault holds no '{name}'", LIST_HINT)

    def _former(self, name: str, number: int) -> Version:
        version = Version(name, number)
        if version in self.versions(name):
            return version
        raise StartRefused(f"the vault holds no version {number} of '{name}'", LIST_HINT)

    def _refuse_needed(self, name: str) -> None:
        if apis := self._used_by.get(name):
            hint = f"name another credential under apis.{apis[0]}.credential first, and start with that"
            raise StartRefused(f"API '{apis[0]}' needs '{name}'", hint)

    async def _rotate(self, name: str, secret: Secret) -> Version:
        added = await self._add(name, Act.ROTATED, secret)
        # The rotation stands whatever becomes of this; the next one does what is left of it.
        with contextlib.suppress(OSError, LedgerUnavailable):
            for version in reversed(self.versions(name)[1 + FORMER_KEPT :]):
                await self._drop(version)
        await self._turn(name)
        return added

    async def _add(self, name: str, act: Act, secret: Secret) -> Version:
        version = Version(name, 1 + max((known.number for known in self._acts if known.name == name), default=0))
        try:
            await asyncio.to_thread(self._vault.seal, version, self._clock.now(), secret)
            # Stop here: sealed, not on record, in no call's hands. The next opening records it.
            await self._note(version, act)
        except (OSError, LedgerUnavailable) as error:
            if self._unsure():
                # It may be on record: then its file must stay, and where it is not the next opening records it.
                what = f"whether {version.ref} is on record is not known: the ledger failed"
                raise StartRefused(what, f"after the next start, {LIST_HINT}") from error
            with contextlib.suppress(OSError):
                await asyncio.to_thread(self._vault.destroy, version)
            if isinstance(error, OSError):
                raise unusable(error) from error
            raise
        # Stop here: on record. The next start takes it.
        await self._turn(name)
        return version

    async def _drop(self, version: Version) -> None:
        await self._note(version, Act.REMOVED)
        # Stop here: removed, on record. The next opening destroys the file.
        await asyncio.to_thread(self._vault.destroy, version)

    async def _note(self, version: Version, act: Act) -> None:
        await self._record(version.name, version.number, str(act))
        self._acts[version] = act

    async def _turn(self, name: str) -> None:
        """
        Hand out what there is of a name that an API needs; what was handed out before stays where it does not open.
        """
        if name not in self._used_by or self._on_change is None:
            return
        current, *former = self.versions(name)
        opened = [(current.ref, await asyncio.to_thread(self._vault.open, current))]
        for version in former:
            # It is sent nowhere; it is known only so that it is hidden.
            with contextlib.suppress(StartRefused):
                opened.append((version.ref, await asyncio.to_thread(self._vault.open, version)))
        self._on_change(name, opened)


def admit_name(name: str) -> str:
    """
    Return a name as it is; raise `StartRefused`, without repeating it, where it can be none: it may be the secret.
    """
    if not NAME.fullmatch(name):
        hint = "`breakwater vault put stripe`; the secret is read from standard input, a prompt or --file"
        raise StartRefused("a name in the vault has small letters, digits, `_`, `-`, at most 63, no sign first", hint)
    return name


def missing(name: str, api: str) -> StartRefused:
    """
    Return the refusal to start without a credential that an API needs.
    """
    return StartRefused(f"the vault holds no '{name}', which API '{api}' needs", f"`breakwater vault put {name}`")


def unusable(error: OSError) -> StartRefused:
    """
    Return the refusal where the vault's folder cannot be used.
    """
    hint = "the state folder must be on a local disk with room, writable by the user that runs Breakwater"
    return StartRefused(f"the vault cannot be used: {error.strerror or error}", hint)
