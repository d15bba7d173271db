"""What the memory store adds to the contract: how it shows itself to an operator."""

from __future__ import annotations

from breakers.store.memory import MemoryStore
from breakers.store.protocol import IntentOpened, WritesChanged
from tests.breakers.world import AT


def test_shows_state() -> None:
    """Its one line says whether writes are stopped, by which record, and what is open."""
    store = MemoryStore(lambda: AT)
    store.apply(WritesChanged(stopped=True, epoch=7))
    store.apply(IntentOpened("01A", "shop", "refunds.create", "clerk", "task-1", AT))
    assert repr(store) == "<MemoryStore generation=1 epoch=7 stopped=True in_flight=0 in_doubt=1>"
