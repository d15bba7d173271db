from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest

from loadtest.upstreams.stripe import StripeSandbox
from tests.clients.compare import IDENTITIES, MOMENTS, Step, compare, leaves
from tests.clients.script import everywhere, on_the_sandbox
from tests.clients.sdk import Player, client_style
from tests.harness import in_thread

KINDS = ("object", "list", "pages", "deleted", "error")


@pytest.fixture(scope="module")
def recording() -> list[Step]:
    with in_thread(StripeSandbox()) as upstream, client_style(upstream.url, upstream.url, upstream.secret) as sdk:
        play = Player(sdk)
        everywhere(play)
        on_the_sandbox(play, upstream)
        return play.steps


def one(recording: list[Step], kind: str) -> Step:
    return next(step for step in recording if step.kind == kind)


def planted(step: Step, path: tuple[str | int, ...], change: Callable[[Any, Any], None]) -> Step:
    answer = copy.deepcopy(step.answer)
    node = answer
    for key in path[:-1]:
        node = node[key]
    change(node, path[-1])
    return Step(step.name, step.kind, answer)


def other(node: Any, key: Any) -> None:
    value = node[key]
    node[key] = (not value) if isinstance(value, bool) else value + (1 if isinstance(value, int) else "x")


def retyped(node: Any, key: Any) -> None:
    node[key] = 0 if node[key] is None else None if isinstance(node[key], (dict, list)) else [node[key]]


def dropped(node: Any, key: Any) -> None:
    del node[key]


def test_equal_recordings(recording: list[Step]) -> None:
    """A recording equals itself, and every leaf of it was looked at."""
    result = compare(recording, copy.deepcopy(recording))
    assert result.differences == ()
    assert result.leaves == sum(1 for step in recording for _ in leaves(step.answer))


@pytest.mark.parametrize("kind", KINDS)
def test_changed_leaf(recording: list[Step], kind: str) -> None:
    """Another value in any leaf of any kind of answer is one difference, unless the normaliser lists its name."""
    step, looked = one(recording, kind), 0
    for path, leaf in leaves(step.answer):
        if path[-1] in IDENTITIES + MOMENTS or leaf is None or isinstance(leaf, (dict, list)):
            continue
        found = compare([step], [planted(step, path, other)]).differences
        assert len(found) == 1, path
        looked += 1
    assert looked


@pytest.mark.parametrize("change", [retyped, dropped])
@pytest.mark.parametrize("kind", KINDS)
def test_changed_shape(recording: list[Step], kind: str, change: Callable[[Any, Any], None]) -> None:
    """A leaf of another type, or one that is missing, is a difference in any kind of answer, whatever its name."""
    step = one(recording, kind)
    for path, _ in leaves(step.answer):
        assert compare([step], [planted(step, path, change)]).differences, path


def test_added_member(recording: list[Step]) -> None:
    """A member that only the second answer has is a difference."""
    step = one(recording, "object")
    more = Step(step.name, step.kind, {**step.answer, "more": None})
    assert compare([step], [more]).differences == (
        "0 create/object/more: directly absent, through Breakwater NoneType None",
    )


def test_other_kind(recording: list[Step]) -> None:
    """An answer of another kind is a difference even where its leaves agree."""
    step = one(recording, "object")
    assert compare([step], [Step(step.name, "deleted", step.answer)]).differences


def test_missing_step(recording: list[Step]) -> None:
    """A step that only one recording has is a difference."""
    assert compare(recording, recording[:-1]).differences


def test_swapped_identity(recording: list[Step]) -> None:
    """An id that is another object's is a difference, though ids are normalised."""
    paid = next(at for at, step in enumerate(recording) if step.name == "pay")
    wrong = list(recording)
    wrong[paid] = planted(recording[paid], ("body", "customer"), lambda node, key: node.update({key: "cus_elsewhere"}))
    assert len(compare(recording, wrong).differences) >= 1


def test_renamed_identities() -> None:
    """Ids that differ everywhere in the same way are no difference, also where they stand inside a text."""

    def told(id_: str) -> list[Step]:
        return [Step("a", "object", {"id": id_, "url": f"/v1/charges/{id_}/refunds"})]

    assert compare(told("ch_11111111"), told("ch_22222222")).differences == ()


def test_swapped_items(recording: list[Step]) -> None:
    """The same items in another order are a difference."""
    step = one(recording, "pages")
    assert compare([step], [Step(step.name, step.kind, step.answer[::-1])]).differences
