"""The gate `standing`: a write is answered from the suggestion that it is; its execution passes only as approved."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from breakers.decide import decide
from breakers.known import State
from breakers.suggestion import Grant, Stage, Suggested
from breakers.verdict import Again, Forward, Pending, Reason, Refuse, Repeat, Suggest
from tests.breakers.world import AT, before, known, policy, write

CARD = policy({"issues/create": {}}, tier="suggest")
ASKED = write("issues/create", {"body.title": "one"}, id="02CALL", key="k")
OTHER = write("issues/create", {"body.title": "other"}, id="03CALL", key="k")
DIGEST = "d" * 64


def suggestion(stage: Stage = Stage.OPEN, ago_s: float = 5.0, **more: object) -> Suggested:
    """
    Return the suggestion that the first of the calls was parked as.
    """
    assert ASKED.names is not None
    at = AT - timedelta(seconds=ago_s)
    one = Suggested(
        "01SUG", "clerk", "task-1", "shop", "issues/create", at=at, expires=AT + timedelta(hours=1), digest=DIGEST,
        answers=("tier:suggest",), stage=stage, changed_at=at, fingerprint=ASKED.names.fingerprint, key=ASKED.names.key,
    )  # fmt: skip
    return replace(one, **more)  # type: ignore[arg-type] # a field and its value


# How the suggestion stands, how long ago that began, and what the same write is told.
SAME = [
    (Stage.OPEN, 5.0, Pending),
    (Stage.APPROVED, 5.0, Pending),
    (Stage.EXECUTING, 5.0, Pending),
    (Stage.REJECTED, 3600.0, Reason.NOT_APPROVED),
    (Stage.REJECTED, 3601.0, Suggest),
    (Stage.EXPIRED, 5.0, Suggest),
    (Stage.VOID, 5.0, Suggest),
    (Stage.EXECUTED, 5.0, Suggest),
]


@pytest.mark.parametrize(("stage", "ago_s", "told"), SAME)
def test_same_write(stage: Stage, ago_s: float, told: type | Reason) -> None:
    """The same write joins what is live, is refused where it was rejected lately, and is judged anew otherwise."""
    verdict = decide(ASKED, CARD, replace(known(), suggested=suggestion(stage, ago_s)))
    assert verdict.reason is told if isinstance(verdict, Refuse) else isinstance(verdict, told)  # type: ignore[arg-type]


@pytest.mark.parametrize(("stage", "told"), [(Stage.OPEN, Refuse), (Stage.APPROVED, Refuse), (Stage.REJECTED, Suggest)])
def test_other_write(stage: Stage, told: type) -> None:
    """Another write under the key of one that is live is refused; of one that is over it is judged."""
    verdict = decide(OTHER, CARD, replace(known(), suggested=suggestion(stage)))
    assert isinstance(verdict, told)
    assert not isinstance(verdict, Refuse) or verdict.reason is Reason.IDEMPOTENCY_KEY_REUSED


def test_found_by_intent() -> None:
    """What was carried out is answered from its intent, before its suggestion is asked."""
    made = before(ASKED, State.COMPLETED)
    again = replace(ASKED, id="04CALL")
    verdict = decide(again, CARD, replace(known(made), suggested=suggestion(Stage.EXECUTED)))
    assert isinstance(verdict, Repeat)
    assert verdict.again is Again.REPLAY


GRANT = Grant("01SUG", DIGEST, frozenset({"tier:suggest"}), "ana")

# What is different from what was approved.
NOT_GRANTED = {
    "not approved": suggestion(Stage.OPEN),
    "carried out": suggestion(Stage.EXECUTED),
    "being carried out": suggestion(Stage.EXECUTING),
    "rejected": suggestion(Stage.REJECTED),
    "void": suggestion(Stage.VOID),
    "edited since": suggestion(Stage.APPROVED, digest="e" * 64),
    "another": suggestion(Stage.APPROVED, id="09SUG"),
    "late": suggestion(Stage.APPROVED, expires=AT),
    "gone": None,
}


@pytest.mark.parametrize("why", NOT_GRANTED)
def test_not_granted(why: str) -> None:
    """An execution does not pass by a word that is not for what stands now."""
    execution = replace(ASKED, id="05CALL", grant=GRANT)
    verdict = decide(execution, CARD, replace(known(), suggested=NOT_GRANTED[why]))
    assert isinstance(verdict, Refuse)
    assert verdict.reason is Reason.NOT_APPROVED


def test_granted() -> None:
    """An execution passes by a word for what stands now that answers every reason, and not by one that does not."""
    facts = replace(known(), suggested=suggestion(Stage.APPROVED))
    execution = replace(ASKED, id="05CALL", grant=GRANT)
    verdict = decide(execution, CARD, facts)
    assert isinstance(verdict, Forward)
    assert [park.id for park in verdict.parked] == ["tier:suggest"]
    poorer = replace(execution, grant=replace(GRANT, answers=frozenset({"tier:approve"})))
    assert isinstance(decide(poorer, CARD, facts), Suggest)
