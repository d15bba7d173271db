"""The grammar of argument names: one tree, or a refusal."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from breakers.verdict import Reason
from proxy.canonical import names
from proxy.canonical.names import DEPTH_MAX, Tree, gather, nest
from proxy.canonical.pairs import Pairs
from tests.proxy.canonical.refusals import refused

TREES: list[tuple[str, dict[str, Tree]]] = [
    ("", {}),
    ("a=1 b=", {"a": "1", "b": ""}),
    ("metadata[k]=v metadata[K]=w", {"metadata": {"k": "v", "K": "w"}}),
    ("expand[]=a expand[]=b", {"expand": ["a", "b"]}),
    ("expand[0]=a expand[1]=b", {"expand": ["a", "b"]}),
    (
        "items[0][price]=p items[1][price]=q items[0][qty]=2",
        {"items": [{"price": "p", "qty": "2"}, {"price": "q"}]},
    ),
    ("a[b][c][]=1 a[b][d]=2", {"a": {"b": {"c": ["1"], "d": "2"}}}),
    ("a[0][]=1 a[0][]=2", {"a": [["1", "2"]]}),
    ("a[-1]=x", {"a": {"-1": "x"}}),
]

MALFORMED = [
    # B9: given twice, or as two shapes
    "amount=1 amount=1000",
    "amount=1 amount[]=1000",
    "amount[]=1 amount=1000",
    "amount=1 Amount=1000",
    "Amount=1 amount[x]=1000",
    "a=1 a[b]=2",
    "a[b]=2 a=1",
    "a[b]=1 a[b]=2",
    "a[b]=1 a[b][c]=2",
    "a[b][c]=1 a[b]=2",
    "a[]=1 a[0]=2",
    "a[0]=1 a[]=2",
    "a[]=1 a[b]=2",
    "a[0]=1 a[b]=2",
    "a[0]=1 a[0]=2",
    # indices with gaps, out of order, or that are none
    "a[1]=x",
    "a[0]=x a[2]=y",
    "a[1]=y a[0]=x",
    "a[00]=x",
    "a[01]=x",
    f"a[{'9' * 5000}]=x",
    # groups after a list, brackets out of place
    "a[][b]=1",
    "a[][]=1",
    "a[b=1",
    "ab]=1",
    "[a]=1",
    "[]=1",
    "a[b]c=1",
    "a[b[c]]=1",
    "a[[b]]=1",
    "a]b[=1",
    "a" + "[b]" * (DEPTH_MAX + 1) + "=1",
]


def pairs(text: str) -> Pairs:
    """
    Read `name=value` pairs that spaces separate.
    """
    return tuple((name, value) for name, _, value in (pair.partition("=") for pair in text.split()))


@pytest.mark.parametrize(("text", "tree"), TREES)
def test_trees(text: str, tree: dict[str, Tree]) -> None:
    """Names with brackets spell maps and lists."""
    assert nest(pairs(text), Reason.BODY_MALFORMED) == tree


@pytest.mark.parametrize("text", MALFORMED)
def test_malformed_names(text: str) -> None:
    """Names that parsers are known to read differently are refused."""
    with refused(Reason.QUERY_MALFORMED):
        nest(pairs(text), Reason.QUERY_MALFORMED)


def test_plain_names() -> None:
    """In the plain style brackets are part of a name, and an array's name may repeat."""
    found = gather(pairs("a=1 l=x l=y l=z b[]=2"), lambda name: name == "l", Reason.QUERY_MALFORMED)
    assert found == {"a": "1", "l": ["x", "y", "z"], "b[]": "2"}


@pytest.mark.parametrize("text", ["a=1 a=2", "a=1 A=2", "l=1 l=2 L=3"])
def test_plain_repeats(text: str) -> None:
    """In the plain style a name that is no array's is given once, in one case."""
    with refused(Reason.QUERY_MALFORMED):
        gather(pairs(text), lambda name: name == "l", Reason.QUERY_MALFORMED)


KEYS = st.text("abcdefgh", min_size=1, max_size=3)
TEXTS = st.text(max_size=3)
VALUES: st.SearchStrategy[Tree] = st.recursive(
    TEXTS,
    lambda inner: st.lists(inner, min_size=1, max_size=3) | st.dictionaries(KEYS, inner, min_size=1, max_size=3),
    max_leaves=8,
)


def spell(prefix: str, tree: Tree) -> list[tuple[str, str]]:
    """
    Spell a tree as an SDK does: maps by key, lists by index.
    """
    if isinstance(tree, str):
        return [(prefix, tree)]
    items = tree.items() if isinstance(tree, dict) else enumerate(tree)
    return [pair for key, value in items for pair in spell(f"{prefix}[{key}]", value)]


@given(st.dictionaries(KEYS, VALUES, max_size=4))
def test_spelled_trees_return(tree: dict[str, Tree]) -> None:
    """A tree that an SDK spells is the tree that is read."""
    spelled = tuple(pair for name, value in tree.items() for pair in spell(name, value))
    assert nest(spelled, Reason.BODY_MALFORMED) == tree


def test_long_names_forgotten() -> None:
    """A name that is as long as a body is taken apart like any other, and not remembered."""
    kept = names._taken_apart.cache_info().currsize
    name = "a" * 1000
    assert nest(((f"{name}[b]", "1"),), Reason.BODY_MALFORMED) == {name: {"b": "1"}}
    assert names._taken_apart.cache_info().currsize == kept
