"""What a record of a suggestion comes to, in a few words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from breakers.suggestion import Stage
from config.faults import Unreadable
from config.money import Money
from proxy.ledger.parked import APPROVED, EDITED

ENDS = {
    Stage.EXECUTED: "carried out",
    Stage.EXPIRED: "its time is over, and nothing was sent",
    Stage.VOID: "void, and nothing was sent",
}


def approval_result(entry: Mapping[str, Any]) -> str:
    """
    Return what a record of a suggestion comes to.
    """
    match entry["k"]:
        case "approval.requested":
            asked = "nobody is told" if entry.get("shadow") else f"needs {', '.join(entry['roles'])}"
            again = "parked again" if entry["ver"] else "parked"
            return f"{again} as a suggestion ({', '.join(entry['ans'])}), {asked}, until {entry['exp']}"
        case "approval.decided" if entry["verdict"] == EDITED:
            dist = entry.get("dist", {})
            return f"edited by {entry['by']}: {dist.get('changed', '?')} of {dist.get('of', '?')} values{_more(entry)}"
        case "approval.decided":
            what = f": what was shown as {entry['dig'][:12]}" if entry["verdict"] == APPROVED else ""
            return f"{entry['verdict']} by {entry['by']}{what}"
        case _:
            into = f" as {entry['into']}" if "into" in entry else ""
            why = f" ({entry['why']})" if entry.get("why") else ""
            return f"{ENDS.get(entry['end'], entry['end'])}{into}{why}"


def _more(entry: Mapping[str, Any]) -> str:
    micros, moves = entry.get("dist", {}).get("micros"), entry.get("moves")
    if micros in {None, "0"} or moves is None:
        return ""
    amount = int(micros)
    try:
        said = str(Money(abs(amount), moves["currency"]))
    except Unreadable:
        said = f"{abs(amount)} micro-units of {moves['currency']}"
    return f", moves {said} {'more' if amount > 0 else 'less'}"
