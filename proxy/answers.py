"""
What was shown of a write, for whoever repeats it: in memory first, then where the store keeps it, then on record.

Memory holds the newest; a store that others read too holds answers sealed, bound to their intent, up to the same width;
the record holds whatever fitted into it. An answer that may not be stored whole is in memory only. What is nowhere any
more, or was cut, is not an answer: nobody is shown half of one as if it were all.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable

import orjson
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from breakers.known import Earlier, Ended, State
from breakers.noun import noun
from breakers.store.protocol import Store, StoreUnavailable
from proxy.clock import Randomness
from proxy.ledger.document import LeftOut
from proxy.ledger.keyring import KeyRing
from proxy.ledger.parts import OURS, Shown
from proxy.ledger.reread import KeptAnswer

MEMORY_BYTES = 32 * 1024 * 1024
"""Some ten thousand ordinary answers: those that clients ask for again within seconds."""

ANSWER_BYTES_MAX = 256 * 1024
"""Of one answer in memory or in a store: a few large ones must not push out all others."""

BESIDE_BYTES = 1024
"""What an answer takes beside its words, roughly: its id, its place in the table."""

LABEL = "answers"
_NONCE_BYTES = 12
_VERSION_BYTES = 4


@noun
class Kept:
    """
    An answer as it was shown, without our own headers, and with URLs as the upstream wrote them.

    `dispatched` is what it said of that: what has no effect is kept too, for those who are waiting for it.
    """

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes
    dispatched: str = "yes"


FromRecord = Callable[[str], KeptAnswer | None]
"""Read the answer at a place of the record; None where it is not there."""


class Answers:
    """
    The answers of writes, by intent.
    """

    def __init__(self, store: Store, from_record: FromRecord, ring: KeyRing, randomness: Randomness) -> None:
        self._store, self._from_record = store, from_record
        self._ring, self._randomness = ring, randomness
        self._newest: OrderedDict[str, Kept] = OrderedDict()
        self._bytes = 0

    def __repr__(self) -> str:
        return f"Answers({len(self._newest)} in memory, {self._bytes} bytes)"

    def keep(self, intent: str, ended: Ended, shown: Shown, never_store: tuple[str, ...] = ()) -> bytes | None:
        """
        Keep the answer of what has ended in memory; return it sealed where the store is to keep it as well.
        """
        if ended.state is not State.COMPLETED or len(shown.body) > ANSWER_BYTES_MAX:
            return None
        kept = _kept(shown)
        self._remember(intent, kept)
        if self._store.kind == "memory" or LeftOut(never_store).text(shown.body) is not shown.body:
            return None
        return self._seal(intent, kept)

    async def of(self, earlier: Earlier) -> Kept | None:
        """
        Return what was shown of an intent, or None where that is not to be had whole any more.
        """
        intent = earlier.intent
        if not earlier.answered:
            return None
        if (known := self._newest.get(intent)) is not None:
            self._newest.move_to_end(intent)
            return known
        found = await self._from_store(intent)
        if found is None and earlier.place:
            found = _whole(await asyncio.to_thread(self._from_record, earlier.place), intent)
        if found is not None and len(found.body) <= ANSWER_BYTES_MAX:
            self._remember(intent, found)
        return found

    async def _from_store(self, intent: str) -> Kept | None:
        try:
            sealed = await self._store.answer(intent)
        except StoreUnavailable:
            # It may be on record here all the same.
            return None
        return None if sealed is None else self._opened(intent, sealed)

    def _remember(self, intent: str, shown: Kept) -> None:
        former = self._newest.pop(intent, None)
        self._bytes += _size(shown) - (_size(former) if former is not None else 0)
        self._newest[intent] = shown
        while self._bytes > MEMORY_BYTES:
            _, oldest = self._newest.popitem(last=False)
            self._bytes -= _size(oldest)

    def _seal(self, intent: str, shown: Kept) -> bytes:
        version, nonce = self._ring.current, self._randomness(_NONCE_BYTES)
        plain = orjson.dumps([shown.status, shown.headers, shown.dispatched]) + b"\n" + shown.body
        sealed = AESGCM(self._ring.key(LABEL, version)).encrypt(nonce, plain, _bound(intent))
        return version.to_bytes(_VERSION_BYTES) + nonce + sealed

    def _opened(self, intent: str, data: bytes) -> Kept | None:
        nonce_ends = _VERSION_BYTES + _NONCE_BYTES
        nonce, sealed = data[_VERSION_BYTES:nonce_ends], data[nonce_ends:]
        try:
            key = self._ring.key(LABEL, int.from_bytes(data[:_VERSION_BYTES]))
            head, _, body = AESGCM(key).decrypt(nonce, sealed, _bound(intent)).partition(b"\n")
        except (InvalidTag, KeyError, ValueError):
            # Another's, another ring's, or damaged: it is no answer to this.
            return None
        status, headers, dispatched = orjson.loads(head)
        return Kept(status, tuple((name, value) for name, value in headers), body, dispatched)


def _kept(shown: Shown) -> Kept:
    dispatched, headers = "yes", []
    for pair in shown.headers:
        if not pair[0].startswith(OURS):
            headers.append(pair)
        elif pair[0] == "breakwater-dispatched":
            dispatched = pair[1]
    return Kept(shown.status, tuple(headers), shown.body, dispatched)


def _whole(found: KeptAnswer | None, intent: str) -> Kept | None:
    if found is None or found.body is None:
        return None
    if found.call and found.call != intent:
        # The logs of two processes may have one name: what stands at this place in the other's is not here.
        return None
    return Kept(found.status, found.headers, found.body, "yes" if found.sent else "no")


def _bound(intent: str) -> bytes:
    return b"bw/v1/answer\x00" + intent.encode()


def _size(shown: Kept) -> int:
    size = len(shown.body) + BESIDE_BYTES
    for name, value in shown.headers:
        size += len(name) + len(value)
    return size
