"""The patch between two images and its guarded inverse: every pair both ways, and every drift caught."""

from __future__ import annotations

from typing import Any

import jsonpatch
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.diff import apply, inverse, patch, steps
from proxy.errors import Drift
from proxy.images import parse_image, spell_image
from proxy.paths import CHANGING, Op, pointer_names
from tests.conftest import Figure
from tests.proxy.pairs import NAMES, SCALARS, Maker, told

SEEDS = st.integers(0, 2**64)

PAIRS_A_SEED = 100
BOTH_WAYS, SHRINKING, DRIFTING = 200, 300, 200

# Documents that Hypothesis can shrink, beside the many that are drawn from a seed.
DOCUMENTS = st.recursive(
    st.sampled_from(SCALARS), lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner)
)

GONE, NOWHERE = object(), object()


@pytest.mark.parametrize(
    ("before", "after", "ops"),
    [
        ({"a": 1}, {"a": 1}, []),
        ({"a": 1}, {"a": 2}, [{"op": "replace", "path": "/a", "value": 2}]),
        ({"a": 1}, {"a": True}, [{"op": "replace", "path": "/a", "value": True}]),
        ({}, {"a": None}, [{"op": "add", "path": "/a", "value": None}]),
        ({"a": None}, {}, [{"op": "remove", "path": "/a"}]),
        ({"a": {"b": 1}}, {"a": {"b": 2}}, [{"op": "replace", "path": "/a/b", "value": 2}]),
        ({"a": {}}, {"a": []}, [{"op": "replace", "path": "/a", "value": []}]),
        ({"a": [1, 2]}, {"a": [2]}, [{"op": "replace", "path": "/a", "value": [2]}]),
        ({"~/": {"": 1}}, {"~/": {"": 2}}, [{"op": "replace", "path": "/~0~1/", "value": 2}]),
        (
            {"c": 1, "a": 1},
            {"b": 1, "a": 2},
            [
                {"op": "replace", "path": "/a", "value": 2},
                {"op": "add", "path": "/b", "value": 1},
                {"op": "remove", "path": "/c"},
            ],
        ),
        (None, {"a": 1}, [{"op": "replace", "path": "", "value": {"a": 1}}]),
    ],
)
def test_patch(before: Any, after: Any, ops: Any) -> None:
    """A patch adds, removes and replaces members in sorted order; a list is replaced whole."""
    assert patch(before, after) == ops


def test_inverse() -> None:
    """Each change is made up for behind its guard, the last one first."""
    assert inverse({"a": 1, "c": 3}, {"a": 2, "b": 2}) == [
        {"op": "absent", "path": "/c"},
        {"op": "add", "path": "/c", "value": 3},
        {"op": "test", "path": "/b", "value": 2},
        {"op": "remove", "path": "/b"},
        {"op": "test", "path": "/a", "value": 2},
        {"op": "replace", "path": "/a", "value": 1},
    ]


@pytest.mark.parametrize(
    ("now", "ops"),
    [
        ({"a": 1}, [{"op": "test", "path": "/a", "value": True}]),
        ({"a": [1]}, [{"op": "test", "path": "/a/0", "value": 1}]),
        ({"a": 1}, [{"op": "absent", "path": "/a"}]),
        ({"a": None}, [{"op": "absent", "path": "/a"}]),
        ({}, [{"op": "absent", "path": "/a/b"}]),
        ({"a": 1}, [{"op": "absent", "path": "/a/b"}]),
        ({"a": 1}, [{"op": "add", "path": "/a", "value": 1}]),
        ({"a": []}, [{"op": "add", "path": "/a/-", "value": 1}]),
        ({}, [{"op": "remove", "path": "/a"}]),
        ({}, [{"op": "replace", "path": "/a", "value": 1}]),
        (1, [{"op": "test", "path": "", "value": 2}]),
        ({}, [{"op": "add", "path": "/a", "value": 1}, {"op": "test", "path": "/b", "value": 1}]),
    ],
)
def test_drift(now: Any, ops: Any) -> None:
    """What is not as an operation needs it stops the whole patch, names the place, and changes nothing."""
    was = told(now)
    with pytest.raises(Drift, match="not as expected at") as drift:
        apply(now, ops)
    assert drift.value.path == ops[-1]["path"]
    assert told(now) == was


@pytest.mark.parametrize(
    "op",
    [
        {},
        {"op": "add", "path": "/a"},
        {"op": "remove"},
        {"op": "remove", "path": ""},
        {"op": "absent", "path": ""},
        {"op": "add", "path": "", "value": 1},
        {"op": "remove", "path": "a"},
        {"op": "move", "path": "/a", "from": "/b", "value": 1},
        {"op": 1, "path": "/a", "value": 1},
        {"op": "test", "path": 1, "value": 1},
    ],
)
def test_no_operation(op: Any) -> None:
    """What is no operation of ours is an error, whatever the document."""
    with pytest.raises(ValueError, match=r"lacks a member|no operation|no place|no JSON pointer"):
        apply({"a": 1}, [op])


def test_result_shares_nothing() -> None:
    """Neither the document nor the patch is written into, even where one operation reaches into another's value."""
    value: dict[str, Any] = {}
    ops: list[Op] = [{"op": "add", "path": "/a", "value": value}, {"op": "add", "path": "/a/b", "value": 1}]
    assert apply({}, ops) == {"a": {"b": 1}}
    assert value == {}


@settings(max_examples=BOTH_WAYS)
@given(SEEDS)
def test_both_ways(seed: int) -> None:
    """Over 100 pairs an example, the patch gives the other image, as another implementation finds, and back again."""
    maker = Maker(seed)
    for _ in range(PAIRS_A_SEED):
        before, after = maker.pair()
        both_ways(before, after)


@settings(max_examples=SHRINKING)
@given(DOCUMENTS, DOCUMENTS)
def test_both_ways_shrinking(before: Any, after: Any) -> None:
    """Of two documents with nothing in common the same holds."""
    both_ways(before, after)


def both_ways(before: Any, after: Any) -> None:
    kept = told(before), told(after)
    ops, back = patch(before, after), inverse(before, after)
    assert told(apply(before, ops)) == kept[1]
    assert told(apply(after, back)) == kept[0]
    assert told(jsonpatch.apply_patch(before, ops)) == kept[1]
    # RFC 6902 has no guard for absence; without it, the way back is a patch like any other.
    assert told(jsonpatch.apply_patch(after, [op for op in back if op["op"] != "absent"])) == kept[0]
    assert told(parse_image(spell_image(back))) == told(back)
    assert (told(before), told(after)) == kept


@settings(max_examples=DRIFTING)
@given(SEEDS)
def test_drift_caught(seed: int) -> None:
    """Over 100 pairs an example, an inverse on a drifted image restores exactly where nothing it guards has drifted."""
    drift(seed)


def test_figures(figure: Figure) -> None:
    """Of the pairs that are tried, many drift where an inverse looks, and many elsewhere."""
    caught, missed = (sum(both) for both in zip(*(drift(seed) for seed in range(20)), strict=True))
    figure("diff: pairs both ways", PAIRS_A_SEED * BOTH_WAYS + SHRINKING)
    figure("diff: pairs drifted", PAIRS_A_SEED * DRIFTING)
    figure("diff: drift caught, of 2,000 pairs", caught)
    figure("diff: drift elsewhere and restored, of 2,000 pairs", missed)
    assert min(caught, missed) > 250


def drift(seed: int) -> tuple[int, int]:
    maker = Maker(seed)
    caught = 0
    for _ in range(PAIRS_A_SEED):
        before, after = maker.pair()
        caught += drift_is_caught(after, before, inverse(before, after), maker.drifted(after), guarded=True)
        drift_is_caught(before, after, patch(before, after), maker.drifted(before), guarded=False)
    return caught, PAIRS_A_SEED - caught


def drift_is_caught(was: Any, then: Any, ops: Any, now: Any, *, guarded: bool) -> bool:
    """Apply the patch from `was` to `then` to a document that is neither; tell whether it was stopped."""
    paths = [str(op["path"]) for op in ops if op["op"] in CHANGING]
    held = [(told_at(was, path), told_at(now, path)) for path in paths]
    # A forward patch asks only what is there; an inverse, for its very value.
    fits = all(a == b if guarded else (a is GONE) == (b is GONE) and b is not NOWHERE for a, b in held)
    try:
        result = apply(now, ops)
    except Drift:
        assert not fits
        return True
    assert fits
    assert [told_at(result, path) for path in paths] == [told_at(then, path) for path in paths]
    assert all(any(f"{step.path}/".startswith(f"{path}/") for path in paths) for step in steps(now, result))
    return False


def told_at(document: Any, path: str) -> Any:
    """What stands at a pointer, strictly told: `GONE` where the member is missing, `NOWHERE` where its parent is."""
    names = pointer_names(path)
    for at, name in enumerate(names):
        if not isinstance(document, dict):
            return NOWHERE
        if name not in document:
            return GONE if at == len(names) - 1 else NOWHERE
        document = document[name]
    return told(document)
