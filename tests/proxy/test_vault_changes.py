"""Changes of the vault: what each does, what it refuses, what is on record, and what a stop at any step leaves."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from threading import Event

import pytest

from proxy.credentials import Credentials
from proxy.errors import LedgerUnavailable, StartRefused
from proxy.ledger.read import last_records
from proxy.ledger.show import result
from proxy.ledger.verify import verify
from proxy.secret import Secret
from proxy.vault import Version
from tests.canary.forms import secret
from tests.ledger.memory_disk import MemoryDisk, Stopped
from tests.ledger.world import FOLDER, World
from tests.proxy.sealed import VAULT, Kept

TEXT = secret("vault-changes")
Change = Callable[[Credentials], Awaitable[object]]


def text(number: int) -> Secret:
    return Secret(f"{TEXT}-{number}")


def acts(disk: MemoryDisk) -> list[str]:
    """What the record says of the vault, oldest first."""
    found = last_records(disk, FOLDER / "ledger", 10**6)
    return [result(record.entry) for record in found if record.kind == "credential.changed"]


async def grown(world: World, rotations: int) -> Kept:
    """A vault with a first version and so many rotations."""
    kept = Kept.on(world)
    await kept.credentials.put("stripe", text(1))
    for number in range(rotations):
        await kept.credentials.rotate("stripe", text(number + 2))
    return kept


async def test_life() -> None:
    """A name is put, rotated and taken back to what it was; each step is on record and is what the next call takes."""
    kept = await grown(World(), 1)
    assert kept.handed["stripe"] == [("stripe@2", f"{TEXT}-2"), ("stripe@1", f"{TEXT}-1")]
    assert await kept.credentials.go_back("stripe", 1) == Version("stripe", 3)
    assert kept.handed["stripe"][0] == ("stripe@3", f"{TEXT}-1")
    assert [(row["version"], row["state"], row["apis"]) for row in await kept.credentials.listed()] == [
        (3, "current", ["stripe"]),
        (2, "former", []),
        (1, "former", []),
    ]
    assert acts(kept.world.disk) == ["stripe@1 put", "stripe@2 rotated", "stripe@3 rotated"]


async def test_listed_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is listed is one state: a change that comes meanwhile waits for the list's end."""
    kept = await grown(World(), 1)
    changed, met = Event(), []
    state = kept.credentials._state

    def slow(version: Version, *, current: bool) -> str:
        met.append(changed.wait(0.02))
        return state(version, current=current)

    async def rotate() -> None:
        await kept.credentials.rotate("stripe", text(3))
        changed.set()

    monkeypatch.setattr(Credentials, "_state", lambda _, version, *, current: slow(version, current=current))
    rows, _ = await asyncio.gather(kept.credentials.listed(), rotate())
    assert ([row["version"] for row in rows], met) == ([2, 1], [False, False])
    assert kept.current() == f"{TEXT}-3"


async def test_former_are_few() -> None:
    """Two versions stay sealed beside the current one; a rotation destroys what is older, on record."""
    kept = await grown(World(), 5)
    assert [version.number for version in kept.credentials.versions("stripe")] == [6, 5, 4]
    assert kept.world.disk.names(VAULT) == ["stripe@4", "stripe@5", "stripe@6"]
    assert [ref for ref, _ in kept.handed["stripe"]] == ["stripe@6", "stripe@5", "stripe@4"]
    assert acts(kept.world.disk)[-4:] == [
        "stripe@5 rotated",
        "stripe@2 removed",
        "stripe@6 rotated",
        "stripe@3 removed",
    ]


async def test_number_never_again() -> None:
    """A name that was removed and put again goes on counting, over restarts and new epochs too."""
    world = World()
    kept = Kept.on(world, {})
    await kept.credentials.put("spare", text(1))
    await kept.credentials.rotate("spare", text(2))
    assert await kept.credentials.remove("spare") == (Version("spare", 1), Version("spare", 2))
    assert (kept.credentials.names(), world.disk.names(VAULT)) == ((), [])
    again = World(disk=world.disk.after_kill())
    again.open(new_epoch="a test")
    later = World(disk=again.disk.after_kill())
    assert await Kept.on(later, {}).credentials.put("spare", text(3)) == Version("spare", 3)


async def test_new_epoch_keeps() -> None:
    """A new epoch knows what the vault holds: nothing is put on record again."""
    world = World()
    await grown(world, 1)
    again = World(disk=world.disk.after_kill())
    again.open(new_epoch="a test")
    kept = Kept.on(World(disk=again.disk.after_kill()))
    await kept.credentials.start()
    assert kept.current() == f"{TEXT}-2"
    assert acts(kept.world.disk) == ["stripe@1 put", "stripe@2 rotated"]


REFUSED: dict[str, tuple[Change, str, str]] = {
    "put twice": (lambda c: c.put("stripe", text(9)), "holds 'stripe' already, version 2", "vault rotate stripe"),
    "put no name": (lambda c: c.put("Not A Name", text(9)), "a name in the vault has", "standard input"),
    "rotate unknown": (lambda c: c.rotate("strip", text(9)), "holds no 'strip'", "vault list"),
    "rotate no name": (lambda c: c.rotate("Not A Name", text(9)), "a name in the vault has", "standard input"),
    "remove no name": (lambda c: c.remove("Not A Name"), "a name in the vault has", "standard input"),
    "back to current": (lambda c: c.go_back("stripe", 2), "version 2 of 'stripe' is the current one", "vault list"),
    "back to unknown": (lambda c: c.go_back("stripe", 7), "no version 7 of 'stripe'", "vault list"),
    "back in unknown": (lambda c: c.go_back("strip", 1), "holds no 'strip'", "vault list"),
    "remove needed": (lambda c: c.remove("stripe"), "API 'stripe' needs 'stripe'", "apis.stripe.credential"),
    "remove current": (lambda c: c.remove("stripe", 2), "version 2 of 'stripe' is the current one", "rotate it"),
    "remove unknown": (lambda c: c.remove("stripe", 3), "no version 3 of 'stripe'", "vault list"),
    "remove nothing": (lambda c: c.remove("strip"), "holds no 'strip'", "vault list"),
}


@pytest.mark.parametrize("name", REFUSED)
async def test_refused(name: str) -> None:
    """What cannot be done is refused with what to do instead, changes nothing and repeats no secret."""
    change, error, hint = REFUSED[name]
    kept = await grown(World(), 1)
    before = (dict(kept.world.disk.tree()), kept.handed["stripe"])
    with pytest.raises(StartRefused) as refused:
        await change(kept.credentials)
    assert error in refused.value.error
    assert hint in refused.value.hint
    assert TEXT not in refused.value.error + refused.value.hint
    assert "Not A" not in refused.value.error + refused.value.hint
    assert (dict(kept.world.disk.tree()), kept.handed["stripe"]) == before


async def test_missing() -> None:
    """An API whose credential is not in the vault does not start, and is told how to put it there."""
    with pytest.raises(StartRefused, match="holds no 'stripe', which API 'stripe' needs") as refused:
        await Kept.on(World()).credentials.start()
    assert refused.value.hint == "`breakwater vault put stripe`"


async def test_current_file_gone() -> None:
    """Where the current version's file is gone, nothing falls back to a former one; a rotation mends it."""
    kept = await grown(World(), 1)
    kept.world.disk.remove(VAULT / "stripe@2")
    again = Kept.on(World(disk=kept.world.disk.after_kill()))
    with pytest.raises(StartRefused, match="version 2 of 'stripe' in the vault cannot be read"):
        await again.credentials.start()
    assert [row["state"] for row in await again.credentials.listed()] == ["unreadable", "former"]
    await again.credentials.rotate("stripe", text(3))
    assert again.current() == f"{TEXT}-3"


async def test_former_file_damaged() -> None:
    """A former version that does not open keeps nobody from starting."""
    kept = await grown(World(), 1)
    kept.world.disk.write(VAULT / "stripe@1", b"damaged")
    again = Kept.on(World(disk=kept.world.disk.after_kill()))
    await again.credentials.start()
    assert again.handed["stripe"] == [("stripe@2", f"{TEXT}-2")]
    assert [row["state"] for row in await again.credentials.listed()] == ["current", "unreadable"]
    await again.credentials.remove("stripe", 1)
    assert again.world.disk.names(VAULT) == ["stripe@2"]


async def test_old_copy() -> None:
    """A folder of yesterday that is put back does not bring back what was removed since, nor hide what is current."""
    kept = await grown(World(), 1)
    old = kept.world.disk.read(VAULT / "stripe@1")
    await kept.credentials.remove("stripe", 1)
    kept.world.disk.append(kept.world.disk.create(VAULT / "stripe@1"), (old,))
    again = Kept.on(World(disk=kept.world.disk.after_kill()))
    await again.credentials.start()
    assert again.world.disk.names(VAULT) == ["stripe@2"]
    assert again.current() == f"{TEXT}-2"


async def test_another_vaults_file() -> None:
    """A file that somebody put into the folder is on record before anyone takes it, and opens for nobody."""
    kept = await grown(World(), 0)
    stray = kept.world.disk.read(VAULT / "stripe@1")
    kept.world.disk.append(kept.world.disk.create(VAULT / "stripe@2"), (stray,))
    again = Kept.on(World(disk=kept.world.disk.after_kill()))
    with pytest.raises(StartRefused, match="version 2 of 'stripe' in the vault does not open"):
        await again.credentials.start()
    assert acts(again.world.disk) == ["stripe@1 put", "stripe@2 rotated"]


# -------------------------------------------------------------------------------------------------- a record that fails


def failing(kept: Kept, *, unsure: bool) -> None:
    """Let every record fail from here on."""

    async def refuse(name: str, number: int, act: str) -> None:
        raise LedgerUnavailable("the disk is full")

    kept.credentials._record = refuse
    kept.credentials._unsure = lambda: unsure


async def test_unrecorded() -> None:
    """While nothing can be recorded nothing is sealed, rotated or removed."""
    kept = await grown(World(), 1)
    before = dict(kept.world.disk.tree())
    failing(kept, unsure=False)
    with pytest.raises(LedgerUnavailable):
        await kept.credentials.rotate("stripe", text(3))
    with pytest.raises(LedgerUnavailable):
        await kept.credentials.put("other", text(3))
    with pytest.raises(StartRefused, match="it is not removed"):
        await kept.credentials.remove("stripe", 1)
    assert (dict(kept.world.disk.tree()), kept.current()) == (before, f"{TEXT}-2")


async def test_record_in_doubt() -> None:
    """Where nobody knows whether it was recorded the file stays, and the next start has it on record."""
    kept = await grown(World(), 0)
    failing(kept, unsure=True)
    with pytest.raises(StartRefused, match="whether stripe@2 is on record is not known"):
        await kept.credentials.rotate("stripe", text(2))
    again = Kept.on(World(disk=kept.world.disk.after_kill()))
    await again.credentials.start()
    assert again.current() == f"{TEXT}-2"
    assert acts(again.world.disk) == ["stripe@1 put", "stripe@2 rotated"]


@pytest.mark.parametrize("step", ["create", "append", "sync", "rename", "sync_folder"])
async def test_disk_fails(step: str) -> None:
    """A disk that fails at any step of sealing changes nothing, and the next rotation works."""
    kept = await grown(World(), 0)
    armed = True

    def once(at: str, name: str) -> OSError | None:
        nonlocal armed
        fails = armed and at == step
        armed = armed and not fails
        return OSError(5, "Input/output error") if fails else None

    kept.world.disk.fault = once
    with pytest.raises(StartRefused, match="the vault cannot be used: Input/output error"):
        await kept.credentials.rotate("stripe", text(2))
    assert kept.current() == f"{TEXT}-1"
    assert (await kept.credentials.rotate("stripe", text(3))).number == 2
    assert kept.current() == f"{TEXT}-3"
    assert kept.world.disk.names(VAULT) == ["stripe@1", "stripe@2"]


# ------------------------------------------------------------------------------------------------------ a stop anywhere


STOPPED: dict[str, tuple[int, Change]] = {
    "put": (-1, lambda c: c.put("stripe", text(1))),
    "rotate": (1, lambda c: c.rotate("stripe", text(9))),
    "rotate and destroy": (3, lambda c: c.rotate("stripe", text(9))),
    "back": (1, lambda c: c.go_back("stripe", 1)),
    "remove a version": (2, lambda c: c.remove("stripe", 2)),
    "remove a name": (1, lambda c: c.remove("stripe")),
}


def stopped_at(change: str, step: int) -> tuple[MemoryDisk, bool]:
    """Do a change on a disk that stops at its n-th step; return the disk and whether it did."""
    rotations, act = STOPPED[change]
    world = World()

    async def run() -> None:
        kept = await grown(world, rotations) if rotations >= 0 else Kept.on(world)
        if change == "remove a name":
            kept.credentials._used_by = {}
        world.disk.steps.clear()
        world.disk.stop_at = step
        await act(kept.credentials)

    try:
        asyncio.run(run())
    except Stopped:
        return world.disk, True
    return world.disk, False


def found_on(disk: MemoryDisk) -> tuple[str | None, dict[str, str]]:
    """What the next start takes as current, and everything that it opens."""

    async def run() -> tuple[str | None, dict[str, str]]:
        kept = Kept.on(World(disk=disk))
        await kept.credentials.settle()
        if not kept.credentials.versions("stripe"):
            assert disk.names(VAULT) == []
            return None, {}
        await kept.credentials.start()
        # Files and record say the same, and it can be changed again.
        assert disk.names(VAULT) == sorted(version.ref for version in kept.credentials.versions("stripe"))
        opened = dict(kept.handed["stripe"])
        await kept.credentials.rotate("stripe", Secret("next"))
        assert kept.current() == "next"
        return next(iter(opened.values())), opened

    return asyncio.run(run())


@pytest.mark.parametrize("change", STOPPED)
@pytest.mark.parametrize("died", ["process", "machine"])
def test_stop_anywhere(change: str, died: str) -> None:
    """After a stop at any step the next start finds the state before or the one after, and never neither."""

    def survivor(disk: MemoryDisk) -> MemoryDisk:
        return disk.after_kill() if died == "process" else disk.after_power_loss()

    before, _ = found_on(survivor(stopped_at(change, 0)[0]))
    after, kept = found_on(survivor(stopped_at(change, 10**6)[0]))
    seen = set()
    for step in range(200):
        disk, stopped = stopped_at(change, step)
        where = f"step {step}: {disk.steps[-1]}"
        left = survivor(disk)
        assert verify(left, FOLDER).ok or stopped, where
        current, opened = found_on(left)
        assert current in {before, after}, where
        assert all(f"{TEXT}-" in value for value in opened.values()), where
        seen.add(current)
        if not stopped:
            assert (current, opened) == (after, kept), where
            break
    else:
        pytest.fail("the change never ended")
    assert step > 3
    assert seen == {before, after}


def test_order_of_a_rotation() -> None:
    """A rotation's file is durable before its record is written."""
    disk, _ = stopped_at("rotate", 10**6)
    steps = [step for step in disk.steps if not step.startswith("make_folder")]
    assert steps == [
        "sync_folder state",
        "create stripe@3.new",
        "append ",
        "sync ",
        "rename stripe@3.new stripe@3",
        "sync_folder vault",
        "append ",
        "sync ",
    ]
