"""What commands say of processes that they heard nothing of: their answer is good, and not whole."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from config.place import read_files
from proxy.cli.client import TIMEOUT_S, Running
from proxy.cli.say import warning

ACT_HINT = "nobody here knows whether it was done there: say it once more when that process is heard"

HINT = "`breakwater fleet list` says how it stands; what only its record has is missing here"


def looked(running: Running, path: str, *, within_s: float = TIMEOUT_S) -> Any:
    """
    Return what all processes know, and name those that were not heard.
    """
    answer, unheard = running.look(path, within_s=within_s)
    say_unheard(unheard)
    return answer


def reached(running: Running, method: str, path: str, body: object) -> Any:
    """
    Have all processes do something, and name those that were not heard.
    """
    return running.reach(method, path, body, lambda unheard: say_unheard(unheard, ACT_HINT))


def say_unheard(unheard: Mapping[str, str], hint: str = HINT) -> None:
    """
    Name who was not heard.
    """
    for replica, why in unheard.items():
        warning(f"the process {replica} was not heard ({why})", hint)


def is_shared(config: Path) -> bool:
    """
    Tell whether other processes may share the store.
    """
    source, _ = read_files(config)
    return bool(source.value.get("store", "memory") != "memory")


def say_alone(config: Path) -> None:
    """
    Say that others of the deployment were not asked, where there may be some.
    """
    if is_shared(config):
        hint = "ask where one runs"
        warning("no Breakwater runs on this state folder: what others have on record is missing here", hint)


def whose(
    headers: Sequence[str],
    rows: Sequence[Sequence[object]],
    found: Sequence[Mapping[str, Any]],
    is_over: Callable[[Mapping[str, Any]], bool] = lambda _: False,
) -> Any:
    """
    Return headers and rows with whose each one is, where several processes were asked; of what is over nobody says so.
    """
    if not any("replica" in one for one in found):
        return headers, rows
    owners = [one.get("replica") or ("-" if is_over(one) else "not heard") for one in found]
    return [*headers, "process"], [[*row, owner] for row, owner in zip(rows, owners, strict=True)]
