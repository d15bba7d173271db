"""The record's verbs for drift: an alarm, and that an operator has looked at it."""

from __future__ import annotations

from collections.abc import Mapping

from proxy.ledger.blobs import Kept
from proxy.ledger.drafts import Draft, Part, system
from proxy.ledger.drifted import ALARMED, RESET, Drifted
from proxy.ledger.noticed import noticed
from proxy.ledger.pen import Pen
from proxy.ledger.writer import Rank

KIND = "drift"
"""As what it is announced."""


def alarm_draft(one: Drifted, *, told: bool = True) -> Draft:
    """
    Return the record of an alarm; where it only carries one over it is not announced again.
    """
    alarm = one.alarm
    said = {
        "agent": one.agent,
        "alarm": one.id,
        "what": str(alarm.kind),
        "differs": alarm.operation,
        "after": alarm.given or None,
        "was": alarm.was_ppm,
        "hits": alarm.hits,
        "of": alarm.of,
    }
    return system(ALARMED, **said, **(noticed(KIND, one.id) if told else {}))


class DriftRecords:
    """
    The record's verbs for drift; `standing` are the alarms that stood at the start, by agent.
    """

    def __init__(self, pen: Pen, standing: Mapping[str, Drifted]) -> None:
        self._pen, self.standing = pen, dict(standing)

    def __repr__(self) -> str:
        return f"DriftRecords({len(self.standing)} standing at the start)"

    async def alarmed(self, one: Drifted) -> None:
        """
        Record that an agent's calls differ from what they were.
        """
        await self._pen.durable(alarm_draft(one), Rank.END)

    async def reset(self, agent: str, alarm: str | None, by: str, reason: str, *, learn: bool) -> None:
        """
        Record that an operator has looked at an agent's calls.
        """
        said = system(RESET, agent=agent, alarm=alarm, by=by, learn=learn)
        parts = (Part("reason", Kept(reason.encode())),) if reason else ()
        await self._pen.durable(Draft(said.kind, said.task, said.fields, parts=parts), Rank.END)
