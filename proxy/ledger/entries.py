"""What the road holds of the record: a write whose intent is durable, and a record that is. Only `book` builds them."""

from __future__ import annotations

from breakers.noun import noun
from breakers.store.events import IntentOpened
from breakers.store.protocol import HeldWrite
from proxy.wire import Wire


@noun
class Intent:
    """
    A write whose intent is durable: it may be sent, as `wire` and nothing else.
    """

    held: HeldWrite
    index: int
    leaf_hash: bytes
    wire: Wire
    opened: IntentOpened
    place: str = ""


@noun
class Entry:
    """
    A durable record: what it says may be shown.
    """

    call: str
    index: int
    leaf_hash: bytes
    place: str = ""
