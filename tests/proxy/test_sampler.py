"""What is counted of calls before any breaker moved, which is counted together."""

from __future__ import annotations

from breakers.breaker import Delta
from breakers.thresholds import Gauging, Thresholds
from tests.proxy.observed import OK, READS, SET, WRITES, Process, process

QUICK = Gauging(apis={"shop": Thresholds(over_s=60, slow_after_s=1.0)})


async def counted(one: Process, key: str, gauging: Gauging | None = None) -> Delta:
    """
    Return what is counted of a write of two seconds, where this is how breakers move from within it on.
    """
    admitted = await one.admitted(SET)
    sample = one.sampler.begin(admitted)
    if gauging is not None:
        one.sampler.gauging = gauging
    one.clock.move(2.0)
    one.sampler.left(sample)
    one.sampler.ended(sample, OK)
    one.sampler.over(admitted, OK)
    return next(delta for delta in one.sampler.counts.take() if delta.key == key)


async def test_together() -> None:
    """A write that ends well is one good result, and one write for each breaker that may keep it back."""
    ended, other = await counted(process(), WRITES), await counted(process(), READS)
    assert (ended.ok, ended.slow, ended.writes) == (1, 0, 1)
    assert (other.ok, other.slow, other.writes) == (0, 0, 1)


async def test_reloaded_under_way() -> None:
    """What ends after a reload is as slow, and counts for as long, as that says, whatever it was let pass under."""
    ended = await counted(process(), WRITES, QUICK)
    assert (ended.ok, ended.slow, ended.writes, ended.over_s) == (1, 1, 1, 60)
    written = await counted(process(), READS, QUICK)
    assert (written.writes, written.over_s) == (1, 60)
