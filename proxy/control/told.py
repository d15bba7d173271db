"""What came of an act of which several workers were told, as one answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from aiohttp import web

from proxy.control.asking import NOTHING_THERE
from proxy.control.merged import HEARD, UNHEARD
from proxy.control.reply import reply
from proxy.control.workers import Answered
from proxy.letters import Unheard

UNANSWERED, REFUSED = str(Unheard.UNANSWERED), str(Unheard.REFUSED)


def ordered(said: list[dict[str, Any]], silent: list[int], refused: Sequence[str] = ()) -> dict[str, Any]:
    """
    Return what came of a stop that was ordered of several: the newest order, and everything that did not work.
    """
    newest = max(said, key=lambda one: int(one["epoch"]))
    whys = [*dict.fromkeys(one["why"] for one in said if one["why"]), *refused]
    if silent:
        whys.append(f"{named(silent)} did not answer")
    return {
        **newest,
        "recorded": all(one["recorded"] for one in said),
        "shared": any(one["shared"] for one in said),
        "confirmed": newest["confirmed"] and not silent and not refused,
        "why": "; ".join(whys) or None,
    }


def together(first: Answered, said: Mapping[str, Answered | None]) -> web.Response:
    """
    Return what came of an act that every process does for itself: what the `first` one and those that it reached say,
    with what those `said`, by replica, that it did not reach.

    Where one did it, it is done; whoever was not heard is named.
    """
    good = {replica: one for replica, one in said.items() if one is not None and one.is_good}
    heard = {replica for replica, one in said.items() if one is not None and one.status in NOTHING_THERE} | good.keys()
    mute = {replica: UNANSWERED if said[replica] is None else REFUSED for replica in said.keys() - heard}
    before = not_heard(first.headers.get(UNHEARD, ""))
    unheard = {replica: why for replica, why in (before | mute).items() if replica not in heard}
    if not first.is_good and not good:
        answer = first.passed_on()
    else:
        body = first.json() if first.is_good else next(iter(good.values())).json()
        answer = reply({**body, "replicas": [*(body.get("replicas", ()) if first.is_good else ()), *good]})
    answer.headers.pop(UNHEARD, None)
    answer.headers[HEARD] = ",".join([*heard_by(first), *sorted(heard)])
    if unheard:
        answer.headers[UNHEARD] = ",".join(f"{replica};{why}" for replica, why in sorted(unheard.items()))
    return answer


def heard_by(answer: Answered) -> list[str]:
    """
    Return whose answers are in this one.
    """
    return [one.strip() for one in answer.headers.get(HEARD, "").split(",") if one.strip()]


def not_heard(header: str) -> dict[str, str]:
    """
    Return who was not heard, each with why.
    """
    parts = (part.strip().partition(";") for part in header.split(",") if part.strip())
    return {replica: why for replica, _, why in parts}


def named(workers: list[int]) -> str:
    """
    Return what people call these workers.
    """
    return f"worker{'s' if len(workers) > 1 else ''} {', '.join(map(str, workers))}"


def error_of(answer: Answered) -> str:
    """
    Return why a worker did not do what it was asked.
    """
    said = answer.json()
    return str(said.get("error", answer.status)) if isinstance(said, dict) else str(answer.status)
