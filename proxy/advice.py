"""
What the figures of an agent's past say of its tier, in one sentence: with its counts, and how sure so few can be.

A share of few says little, so none stands without what it is a share of and Wilson's interval of 95 % around it: where
its lower end is high enough the agent may do more alone, and where its upper end is too low, less.
"""

from __future__ import annotations

from dataclasses import dataclass

from breakers.wilson import lower_bound
from config.tiers import APPROVE, AUTO, SHADOW, SUGGEST
from proxy.figures import APPROVER, PASSED, Figures

Z = 1.96
"""Both sides of the 95 % interval."""

AGREED_MIN = 0.95
"""Of what people decided about at least so much must be surely as the agent wanted it before nobody is asked."""

AGREED_LEAST = 0.8
"""Below it the agent's suggestions cost people more than they spare them."""

WRONG_MAX = 0.05
"""More than one write of twenty that was wrong is what an approver is for."""

WRITES_MIN = 20
"""Of fewer writes nobody knows what their reading would cost."""


@dataclass(frozen=True, slots=True)
class Share:
    """
    `k` of `n`.
    """

    k: int
    n: int

    @property
    def low(self) -> float:
        """
        Return the lower end of its interval.
        """
        return lower_bound(self.k, self.n, Z)

    @property
    def high(self) -> float:
        """
        Return the upper end of its interval.
        """
        return 1 - lower_bound(self.n - self.k, self.n, Z)

    def __str__(self) -> str:
        """
        Return it with its counts and its interval.
        """
        if not self.n:
            return "none of none"
        share, low, high = (_percent(one) for one in (self.k / self.n, self.low, self.high))
        return f"{self.k} of {self.n} ({share} %, 95 % interval {low} to {high} %)"

    def as_data(self) -> dict[str, object]:
        """
        Return it for programs, in percent; None where there is nothing to be a share of.
        """
        ends = (self.k / self.n, self.low, self.high) if self.n else (None, None, None)
        shown = (None if end is None else round(100 * end, 1) for end in ends)
        return {"k": self.k, "n": self.n, **dict(zip(("percent", "low", "high"), shown, strict=True))}


def _percent(share: float) -> str:
    return f"{100 * share:.1f}".removesuffix(".0")


def agreed(figures: Figures) -> Share:
    """
    Return how often people let go what the agent wanted, as it wanted it.
    """
    return Share(figures.decisions.approved, figures.decisions.n)


def overridden(figures: Figures) -> Share:
    """
    Return how often people edited or rejected it.
    """
    return Share(figures.decisions.overridden, figures.decisions.n)


def coverage(figures: Figures) -> Share:
    """
    Return which part of what was sent was sent without anyone's word.
    """
    return Share(figures.made["alone"], figures.made.total())


def wrong(figures: Figures) -> Share:
    """
    Return which part of what was looked at afterwards was wrong.
    """
    return Share(figures.reviews.wrong, figures.reviews.n)


def recommendation(tier: str, figures: Figures) -> str:
    """
    Return what to do about an agent's tier, and by which figures.
    """
    if not figures.writes.n:
        return f"Stay at `{tier}`: no write of this agent is on record."
    match tier:
        case _ if tier == SHADOW:
            return _from_shadow(figures)
        case _ if tier in {SUGGEST, APPROVE}:
            return _from_asking(tier, figures)
        case _:
            return _from_auto(figures)


def _from_shadow(figures: Figures) -> str:
    n, days = figures.writes.n, max(1, len(figures.days))
    if n < WRITES_MIN:
        return f"Stay at `{SHADOW}`: {n} writes are on record, and {WRITES_MIN} are the least to judge by."
    return (
        f"Move to `{SUGGEST}` once somebody has time to read: {n} writes on {days} days are about {-(-n // days)} on "
        f"each, and nothing is sent by that."
    )


def _from_asking(tier: str, figures: Figures) -> str:
    share, above = agreed(figures), APPROVE if tier == SUGGEST else AUTO
    if not share.n:
        return f"Stay at `{tier}`: {figures.writes.n} writes are on record, and nobody has decided about one."
    said = f"people let go {share} as the agent wanted it"
    if share.low >= AGREED_MIN:
        passing = figures.tiers[AUTO][PASSED].n
        alone = f"; {passing} of {figures.writes.n} writes would have passed unasked" if above == AUTO else ""
        return f"Move to `{above}`: {said}, and at least {_percent(AGREED_MIN)} % is surely so{alone}."
    if share.high < AGREED_LEAST:
        advice = f"Move down to `{SUGGEST}`" if tier == APPROVE else f"Stay at `{tier}`, and change its card"
        return f"{advice}: {said}, surely less than {_percent(AGREED_LEAST)} %."
    more = _missing(share)
    return f"Stay at `{tier}`: {said}; {more} more without an override would make {_percent(AGREED_MIN)} % sure."


def _from_auto(figures: Figures) -> str:
    share, waits = wrong(figures), figures.tiers[AUTO][APPROVER].n
    asked = f"; {waits} of {figures.writes.n} writes waited for an approver" if waits else ""
    if not share.n:
        return (
            f"Stay at `{AUTO}`, and look: {figures.writes.n} writes are on record, and none was reviewed "
            f"(`review: 2%`){asked}."
        )
    said = f"of what was reviewed {share} was wrong"
    if share.low > WRONG_MAX:
        return f"Move down to `{APPROVE}`: {said}, surely more than {_percent(WRONG_MAX)} %{asked}."
    if share.high <= WRONG_MAX:
        return f"Stay at `{AUTO}`: {said}, surely no more than {_percent(WRONG_MAX)} %{asked}."
    return f"Stay at `{AUTO}`, and review more: {said}, which leaves open whether it is {_percent(WRONG_MAX)} %{asked}."


def _missing(share: Share) -> int:
    """
    Return how many more decisions, all as the agent wants it, would make it sure enough.
    """
    more = 1
    while Share(share.k + more, share.n + more).low < AGREED_MIN:
        # An override takes about twenty others to be outweighed.
        more += 1
    return more
