"""
The rules by which what was counted trips a breaker, in words with their numbers, or nothing.

| | rule, of the results within the window |
|---|---|
| T1 | more failures than the rate allows, as far as so few can prove it, one of them within the last minute |
| T2 | five failures in a row within a minute |
| T3 | five slow results at least, and more than half of all |
| T4 | writes in doubt: three or more, or two that are handed to a person, proved like T1 |
| T5 | five that the upstream declined of one task; three in a row for which it did not take a credential |

That no connection can be made counts only where two processes say so, or all there are: one of several whose network is
broken says nothing of the upstream.
"""

from __future__ import annotations

from breakers.breaker import READ, Sums
from breakers.thresholds import Thresholds
from breakers.wilson import PPM, lower_bound, proves

IN_A_ROW = 5
"""Failures one after the other, within a minute (T2): at any rate that is bearable this does not happen by chance."""

SLOW = 5
"""Fewer slow results are no pattern (T3)."""

DOUBTS, HANDED_OVER = 3, 2
"""Writes in doubt, and those that a person has to look at (T4)."""

DECLINED, NOT_TAKEN = 5, 3
"""What the upstream declined of one task, and how often in a row it did not take a credential (T5)."""

BLOCKS_PPM = 250_000
"""Where a quarter of all reads fails for sure, more of them make it worse."""


def agreed(sums: Sums) -> bool:
    """
    Tell whether enough processes cannot make a connection for that to be more than their own fault.
    """
    return sums.local > 0 and sums.locals >= min(2, sums.alive)


def throughout(sums: Sums) -> str:
    """
    Return why reads are of no use, or nothing; asked of the breaker of an account's reads alone.

    An agent heals by its own reads, so they are never kept back.
    """
    if not (sums.key.startswith("api:") and sums.key.endswith(f"/{READ}")):
        return ""
    failed, n = _failed(sums)
    if _lately(sums) and proves(failed, n, BLOCKS_PPM):
        return f"{failed} of {n} failed"
    if agreed(sums) and sums.streak >= IN_A_ROW:
        return f"{sums.streak} in a row failed, and no connection can be made"
    return ""


def rule(sums: Sums, thresholds: Thresholds, parked: int = 0) -> str:
    """
    Return the rule that a window meets, or nothing; `parked` is how many of its writes were handed to a person.
    """
    match sums.key.partition(":")[0]:
        case "task":
            return f"T5: {sums.fail} declined" if sums.fail >= DECLINED else ""
        case "credential":
            return f"T5: {sums.streak} in a row not taken" if sums.streak >= NOT_TAKEN else ""
        case "kill":
            return ""
        case _:
            return _failing(sums, thresholds) or _slow(sums) or _doubtful(sums, thresholds, parked)


def _failing(sums: Sums, thresholds: Thresholds) -> str:
    failed, n = _failed(sums)
    if failed >= thresholds.least and _lately(sums) and proves(failed, n, thresholds.errors_ppm):
        least, allowed = f"{lower_bound(failed, n):.2%}", f"{thresholds.errors_ppm / PPM:.2%}"
        return f"T1: {failed} of {n} failed, at least {least} where {allowed} is allowed"
    in_a_row = sums.streak if agreed(sums) else sums.streak - sums.local
    return f"T2: {in_a_row} in a row failed" if in_a_row >= IN_A_ROW else ""


def _slow(sums: Sums) -> str:
    _, n = _failed(sums)
    return f"T3: {sums.slow} of {n} were slow" if sums.slow >= SLOW and 2 * sums.slow > n else ""


def _doubtful(sums: Sums, thresholds: Thresholds, parked: int) -> str:
    n, ppm = max(sums.n, sums.unknown, parked), thresholds.errors_ppm
    if sums.unknown >= max(DOUBTS, thresholds.least) and proves(sums.unknown, n, ppm):
        return f"T4: {sums.unknown} of {n} ended in doubt"
    if parked >= HANDED_OVER and proves(parked, n, ppm):
        return f"T4: {parked} of {n} were handed to a person"
    return ""


def _failed(sums: Sums) -> tuple[int, int]:
    """
    Return how many failed, of how many.
    """
    failed = sums.fail + (sums.local if agreed(sums) else 0)
    return failed, sums.ok + failed


def _lately(sums: Sums) -> bool:
    return sums.recent > 0 or (agreed(sums) and sums.streak > 0)
