"""The records of every process of a fleet as one, so that what is asked of one process is asked of all of them."""

from __future__ import annotations

from collections import Counter
from functools import cached_property
from typing import Any

from tests.chaos.fleet import HEALS_S, Fleet
from tests.crash import checks
from tests.crash.load import Said
from tests.crash.mixes import NAME
from tests.crash.record import read_log
from tests.crash.site import Site
from tests.crash.waiting import until

# Further apart than entries of one log are.
_APART = 10**7


class Together(checks.Standing):
    """
    The logs one after the other; an entry's place counts from where its log begins.
    """

    counts_refusals = True

    def __init__(self, fleet: Fleet, said: Said) -> None:
        self.said, self.mix, self._states = said, fleet.mix, fleet.states
        self.entries = [
            _placed(entry, _APART * number)
            for number, state in enumerate(self._states)
            for entry in read_log(state).entries
        ]

    @cached_property
    def sealed(self) -> dict[int, dict[str, bytes]]:
        return {
            _APART * number + index: parts
            for number, state in enumerate(self._states)
            for index, parts in checks.opened_payloads(state).items()
        }


def _placed(entry: dict[str, Any], begins: int) -> dict[str, Any]:
    moved = {name: entry[name] + begins for name in ("i", "intent") if isinstance(entry.get(name), int)}
    return {**entry, **moved}


def held(fleet: Fleet, said: Said) -> Counter[str]:
    """
    Hold all that clients saw and all that the upstreams did against all the records; return what was counted.
    """
    now = Together(fleet, said)
    counted = checks.answers_on_record(now)
    checks.one_intent_a_write(now)
    counted["received"] = checks.once_or_not_at_all(now)
    checks.doubts_named_once(now)
    counted["own names read"] = nobody_elses(said)
    return counted


async def doubts_listed(fleet: Fleet, said: Said) -> int:
    """
    Every replica lists the writes whose end nobody knows, and no other; return how many there are.
    """
    for site in fleet.sites:

        async def listed(site: Site = site) -> bool:
            before = Together(fleet, said).doubted
            status = await site.admin("GET", "/v1/status")
            shown = {each["intent"] for each in status["in_doubt"] or ()}
            # They are being looked for meanwhile; a store that is late has not told of any.
            return Together(fleet, said).doubted <= shown <= before

        await until(listed, HEALS_S)
    return len(Together(fleet, said).doubted)


def nobody_elses(said: Said) -> int:
    """
    What an agent was answered holds the names of its own writes only; return how many names there were.
    """
    found = 0
    for seen in said.answers:
        for name in NAME.findall((seen.body or b"").decode("latin-1")):
            assert name in said.writes, f"{name} was never written: {seen}"
            assert said.writes[name].agent == seen.asked.agent, f"another agent's write was shown: {seen}"
            found += 1
    return found
