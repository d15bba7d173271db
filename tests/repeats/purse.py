"""
What the calls of the machine take of caps, beside the reference that counts it anew.

Only a call that is carried through takes anything: whatever is answered from an earlier one, refused or stopped takes
nothing, and a claim that another takes over gives back what it held.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from breakers.call import Applied, Outcome
from breakers.known import Ended, State
from breakers.spend import CALLS, WRITES, Charge, released, spent_by
from breakers.store.protocol import LEASE_S
from tests.budgets.model import Is, Model, Spender
from tests.repeats.shop import Asked

# No agent makes so many writes in a day; of one thing, the shop has room for a few in an hour.
OF_AGENT, OF_SHOP = 200, 5


def charges_of(asked: Asked, at: datetime) -> tuple[Charge, ...]:
    """
    Return what a call takes: one of its agent's writes of the day, and one of the shop's calls of the hour for `b`.
    """
    hour = at.replace(minute=0, second=0, microsecond=0)
    day = hour.replace(hour=0) + timedelta(days=1)
    of_agent = Charge(f"agent:{asked.agent}", f"{at:%Y-%m-%d}", WRITES, 1, OF_AGENT, day)
    of_shop = Charge("api:shop", f"{at:%Y-%m-%dT%H}+00:00", CALLS, 1, OF_SHOP, hour + timedelta(hours=1))
    return (of_agent, of_shop) if asked.thing == "b" else (of_agent,)


@dataclass
class Purse:
    """
    What every intent took, by its id.
    """

    model: Model
    by_intent: dict[str, Spender] = field(default_factory=dict)

    def admits(self, intent: str, charges: tuple[Charge, ...], said: object, process: int, now: datetime) -> bool:
        """
        Note a call that was admitted, and tell whether it was; fail where it should not have been, or should.
        """
        if not self.model.admits(said, charges, now):
            return False
        spender = Spender(intent, charges, process, True, now + timedelta(seconds=LEASE_S), Is.CLAIMED)
        self.by_intent[intent] = spender
        self.model.spenders.append(spender)
        return True

    def recorded(self, intent: str) -> None:
        """
        Note that an intent is on record.
        """
        self.by_intent[intent].durable = True

    def concluded(self, intent: str) -> None:
        """
        Note that its end is on record.
        """
        self.by_intent[intent].concluded = True

    def dispatched(self, intent: str) -> None:
        """
        Note that it may be sent from here on.
        """
        self.by_intent[intent].state = Is.HELD

    def given_up(self, intent: str) -> None:
        """
        Note that another took its claim over, or nobody may use it any more.
        """
        self.by_intent[intent].state = Is.GONE

    def ended(self, intent: str, ended: Ended) -> None:
        """
        Note an end: the first that is known counts.
        """
        spender = self.by_intent[intent]
        if spender.state is Is.SPENT:
            return
        if ended.state is State.COMPLETED:
            spender.state, spender.spent = Is.SPENT, ended.spent
        else:
            spender.state = Is.HELD

    def spent(self, intent: str, ended: Ended, outcome: Outcome | None = None) -> Ended:
        """
        Return an end with what its intent took: nothing, where nothing was sent.
        """
        charges = self.by_intent[intent].charges
        if ended.state is not State.COMPLETED:
            return ended
        if outcome is not None and outcome.sent == "no":
            return replace(ended, spent=released(charges))
        applied = ended.applied if outcome is None else outcome.applied is Applied.APPLIED
        return replace(ended, spent=spent_by(charges, sent=True, applied=applied))
