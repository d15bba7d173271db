"""Where records stand: the string that says so, and that it goes on saying so, whatever becomes of the log."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.ledger.drafts import Draft, system
from proxy.ledger.layout import LEDGER, epoch_folder, segment_name
from proxy.ledger.places import Place, epoch_of, read_place, spell_place
from proxy.ledger.read import record_at
from tests.ledger.memory_disk import MemoryDisk
from tests.ledger.world import FOLDER, World, close_now, commit_now, drafts, small_segments, wire, write

numbers = st.integers(0, 10**19 - 1)
origins = st.text(st.characters(exclude_characters="#"), min_size=1)


@given(origins, numbers, numbers, numbers, numbers)
def test_there_and_back(origin: str, segment: int, index: int, offset: int, length: int) -> None:
    """Every place is read back from its string."""
    place = Place(origin, segment, index, offset, length)
    assert read_place(spell_place(origin, segment, index, offset, length)) == place


@pytest.mark.parametrize(
    "text",
    ["", "#0/1/2/3", "log", "log#", "log#1/2/3", "log#1/2/3/4/5", "log#1/2/3/-4", "log#a/2/3/4", "log#1/2/3/4 ",
     "lo#g#1/2/3/4", f"log#{10**19}/1/2/3", "log#1/2/3/٤"],
)  # fmt: skip
def test_no_place(text: str) -> None:
    """What is no place is refused."""
    with pytest.raises(ValueError, match="no place"):
        read_place(text)


@pytest.mark.parametrize(
    ("origin", "epoch"),
    [("a/b/1", 1), ("a/b/000012", 12), ("a/999999", 999_999), ("a/0", 0), ("a", 0), ("1", 0), ("a/1000000", 0),
     ("a/1 ", 0), ("a/-1", 0), ("a/1\n", 0)],
)  # fmt: skip
def test_epochs(origin: str, epoch: int) -> None:
    """A log's name ends with the number of its epoch, or leads to none."""
    assert epoch_of(origin) == epoch
    assert Place(origin, 0, 0, 0, 0).epoch == epoch


def test_unnamed_log() -> None:
    """Of a log whose name is not known there are no places."""
    assert spell_place("", 0, 1, 2, 3) == ""


def stands(disk: MemoryDisk, text: str, draft: Draft) -> bool:
    """Tell whether a record stands at a place."""
    place = read_place(text)
    path = epoch_folder(FOLDER / LEDGER, place.epoch) / segment_name(place.segment)
    record = record_at(disk, path, place.index, place.offset, place.length)
    said = (record.kind, record.entry.get("call"), record.entry.get("i"), len(record.body))
    return said == (draft.kind, draft.call, place.index, place.length)


def test_every_place_holds() -> None:
    """Over batches, segments, a clock that steps back, restarts clean or not, and a new epoch, all places hold."""
    world, written = World(settings=small_segments(4000)), []
    for start in range(4):
        ledger = world.open(new_epoch="moved" if start == 3 else None)
        for number in range(3):
            world.clock.move(-60 if number == 1 else 5)
            batch = (*drafts(start * 10 + number, ledger), system("test.more"))
            written += [(one.place, draft) for one, draft in zip(commit_now(ledger, *batch), batch, strict=True)]
        if start % 2:
            close_now(ledger)
        world.disk = world.disk.after_kill()
        assert [place for place, draft in written if not stands(world.disk, place, draft)] == []
    assert len({read_place(place).segment for place, _ in written}) > 3
    assert {read_place(place).epoch for place, _ in written} == {1, 2}


async def test_verbs_tell() -> None:
    """An intent and an entry say where they stand, the event of the intent as well."""
    world = World()
    ledger = world.started()
    intent = await ledger.intend(write(1), wire())
    assert intent.place == intent.opened.place
    assert read_place(intent.place).index == intent.index
    assert ledger.intent_at(intent.place).opened == intent.opened
    await ledger.close("stopped")
