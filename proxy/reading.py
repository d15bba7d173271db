"""A read whose answer has begun: streamed on piece by piece, or read to its end, with our credential overwritten."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable

from breakers.call import Fault, Outcome
from proxy.errors import Broken
from proxy.exchange import Exchange
from proxy.shown import Scrubber

Concluded = Callable[[Outcome, Fault | None, bool], Outcome]
"""Says how a read ended that began so: by what broke it, and whether its body held our credential."""


class Reading:
    """
    A read whose answer has begun. `outcome` is complete once it has ended, one way or the other; `whole` tells that all
    of it came. `over` is told at its end, once.
    """

    __slots__ = ("_chunks", "_concluded", "_exchange", "_over", "_scrubber", "outcome", "whole")

    def __init__(
        self,
        begun: Outcome,
        exchange: Exchange,
        scrubber: Scrubber,
        concluded: Concluded,
        over: Callable[[Outcome], None],
    ) -> None:
        self.outcome, self.whole = begun, False
        self._exchange, self._scrubber, self._concluded, self._over = exchange, scrubber, concluded, over
        self._chunks: AsyncGenerator[bytes] | None = None

    @property
    def chunks(self) -> AsyncGenerator[bytes]:
        """
        Return the answer's body as it comes; where it broke before that, there is none.
        """
        if self._chunks is None:
            self._chunks = self._streamed()
        return self._chunks

    async def rest(self, bytes_max: int) -> bytes | None:
        """
        Return the answer's body to its end, or None where it is larger; where it breaks off, what came.
        """
        pieces: list[bytes] = []
        fault, held = None, True
        try:
            held = await self._exchange.rest(pieces, bytes_max)
            self.whole = held
        except Broken as broken:
            fault = broken.fault
        finally:
            self._exchange.close()
            body = pieces[0] if len(pieces) == 1 else b"".join(pieces)
            clean = self._scrubber.clean(body)
            self.outcome = self._concluded(self.outcome, fault, clean is not body)
        return clean if held else None

    async def close(self) -> None:
        """
        End it where it is; the outcome is complete afterwards.
        """
        if self._chunks is not None:
            await self._chunks.aclose()
        # One that nobody began to read has no end of its own.
        self._exchange.close()
        self._over(self.outcome)

    async def _streamed(self) -> AsyncGenerator[bytes]:
        if self.outcome.fault is not None:
            return
        scrubber, fault = self._scrubber.stream(), None
        try:
            async for piece in self._exchange.chunks():
                if clean := scrubber.feed(piece):
                    yield clean
            self.whole = True
            if rest := scrubber.flush():
                yield rest
        except Broken as broken:
            fault = broken.fault
        finally:
            self._exchange.close()
            self.outcome = self._concluded(self.outcome, fault, scrubber.echoed)
