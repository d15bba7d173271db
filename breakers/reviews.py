"""Which of the writes that were made somebody looks at afterwards: a share of each operation's, drawn at random."""

from __future__ import annotations

from breakers.policy import Allowed, Policy

PPM = 1_000_000

DRAW_BYTES = 8
"""Of randomness that one draw takes: finer than any share can be written."""


def review_ppm(policy: Policy, agent: str, api: str, operation: str) -> int:
    """
    Return which part of an agent's writes is reviewed, in parts per million: of the entries that say so the largest,
    else the card's.
    """
    rules = policy.agents.get(agent)
    if rules is None:
        return 0
    match rules.operations.get((api, operation)):
        case Allowed(entries):
            own = [entry.review_ppm for entry in entries if entry.review_ppm is not None]
            return max(own) if own else rules.review_ppm
        case _:
            return rules.review_ppm


def is_drawn(ppm: int, draw: bytes) -> bool:
    """
    Tell whether this draw, of `DRAW_BYTES` unpredictable bytes, takes a write.
    """
    return int.from_bytes(draw) * PPM < ppm << 8 * len(draw)
