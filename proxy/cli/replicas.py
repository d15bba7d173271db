"""How the processes of a deployment are printed, each by what it says of the stop and of writes on their way."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from proxy.cli.say import table

HEADERS = ("process", "state", "epoch", "applied at", "in flight", "last write left")


def print_replicas(rows: Sequence[Mapping[str, Any]]) -> None:
    """
    Print a row of each, of those that were not heard by their last sign of life; nothing where there is only one store.
    """
    if rows:
        table(HEADERS, [_cells(row) for row in rows])


def _cells(row: Mapping[str, Any]) -> list[object]:
    flying = row.get("in_flight", "-")
    # That a silent one was not heard needs no second word.
    said = ", ".join(dict.fromkeys((row["state"], row.get("unheard", row["state"]))))
    return [
        row["replica"],
        said,
        row.get("epoch", "-"),
        row.get("applied_at") or "-",
        flying if isinstance(flying, int | str) else len(flying),
        row.get("last_dispatch") or "never",
    ]
