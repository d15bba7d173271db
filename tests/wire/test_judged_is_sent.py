from __future__ import annotations

import itertools
import time
from collections import Counter
from collections.abc import Callable

import pytest

from tests.wire.campaign import Run, play
from tests.wire.draft import KINDS
from tests.wire.stand import SECRET_FORMS, Stand

Figure = Callable[[str, float], None]

# The day this was written; torture draws others.
SEED = 20_261_121

# Six kinds make 2,100 requests in the suite. Torture's runs are longer, so that a kept connection sees more of them.
COUNT, TORTURE_COUNT = 350, 1_000

# A failing run is as good as its first few disagreements.
_SHOWN_MAX = 6


def judge(run: Run, faults: list[str], stand: Stand) -> None:
    """
    Fail with the seed and the first disagreements, if there are any.
    """
    assert not faults, f"seed {run.seed}, {len(faults)} faults\n" + "\n".join(faults[:_SHOWN_MAX])
    for secret in SECRET_FORMS:
        assert secret not in stand.seen, f"seed {run.seed}: the real credential came back"
    total = sum(run.fates.values())
    assert run.forwarded * 3 >= total, f"seed {run.seed}: {run.forwarded} of {total} reached the upstream: {run.fates}"


@pytest.mark.parametrize("kind", KINDS)
async def test_judged_is_sent(stand: Stand, kind: str, figure: Figure) -> None:
    """What was judged, operation and arguments, is what a stranger reads from the bytes on the upstream's socket."""
    run, faults = await play(stand, kind, SEED, COUNT)
    for fate, count in run.fates.items():
        figure(f"wire {kind}: {fate}", count)
    judge(run, faults, stand)


@pytest.mark.torture
async def test_judged_is_sent_for_long(stand: Stand, figure: Figure, torture_until: float) -> None:
    """The same holds for as many other seeds as there is time for."""
    total: Counter[str] = Counter()
    started = int(time.time())
    for number, kind in enumerate(itertools.cycle(KINDS)):
        if time.monotonic() > torture_until:
            break
        seed = started + number // len(KINDS)
        run, faults = await play(stand, kind, seed, TORTURE_COUNT)
        judge(run, faults, stand)
        total += run.fates
    for fate, count in total.items():
        figure(f"wire torture: {fate}", count)
