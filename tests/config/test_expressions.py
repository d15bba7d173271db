"""Expressions: what they say, what they refuse to say, and that nothing in them can break whoever asks."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from config.demand import Demand, Reads
from config.expressions import Expression, Unanswerable, compiled
from config.faults import Unreadable
from config.grammar import DEPTH_MAX, LENGTH_MAX

NOW = datetime(2026, 11, 21, 10, tzinfo=UTC)
DISPUTES = {"disputes": {"data": [{"id": "dp_1", "created": 1790000000, "reason": "fraudulent"}]}}


def says(text: str, **roots: object) -> object:
    """
    Return what an expression says, with the moment at hand.
    """
    return compiled(text).says({"now": NOW, "args": {}, "look": {}, **roots})


@pytest.mark.parametrize(
    ("text", "roots", "said"),
    [
        ('look.disputes.data.exists(d, timestamp(d.created) > now - duration("4320h"))', {"look": DISPUTES}, True),
        ('look.disputes.data.exists(d, timestamp(d.created) > now - duration("1h"))', {"look": DISPUTES}, False),
        ('args.amount < 5000 && args.reason != "fraudulent"', {"args": {"amount": 1, "reason": "duplicate"}}, True),
        ("has(args.reason)", {}, False),
        ('args["issue-id"] == "1"', {"args": {"issue-id": "1"}}, True),
        ("args.labels.all(x, x in [\"bug\", 'docs'])", {"args": {"labels": ["bug", "docs"]}}, True),
        (
            "look.members.map(m, m.login).exists(n, n == args.who)",
            {"look": {"members": [{"login": "a"}]}, "args": {"who": "a"}},
            True,
        ),
        ("look.a.filter(x, x.b.c == 3).size() == 1", {"look": {"a": [{"b": {"c": 3, "d": 4}}]}}, True),
        ("look.a.map(x, x.b) == [{'c': 3, 'd': 4}]", {"look": {"a": [{"b": {"c": 3, "d": 4}}]}}, True),
        ("look.a.map(x, x.q > 1, x.b.c) == [3]", {"look": {"a": [{"q": 2, "b": {"c": 3}, "e": 5}]}}, True),
        ("look.a[args.key] == 1", {"look": {"a": {"x": 1, "y": 2}}, "args": {"key": "x"}}, True),
        ("size(look.a) == 2 && look.a.exists(k, k == 'y')", {"look": {"a": {"x": 1, "y": 2}}}, True),
        ("args.key in look.a", {"look": {"a": {"x": 1}}, "args": {"key": "x"}}, True),
        ("(args.a ? 1 : 2) == 2", {"args": {"a": False}}, True),
        ('args.mail.matches("^[a-z]+@example\\\\.com$")', {"args": {"mail": "ada@example.com"}}, True),
        ('now.getHours() == 10 && now.getHours("Europe/Madrid") == 11', {}, True),
        ('now.getDayOfWeek("Asia/Tokyo") == 6 && now.getMonth("UTC") == 10 && now.getDate("UTC") == 21', {}, True),
        ("args.n == 0.1", {"args": {"n": Decimal("0.1")}}, True),
        # What is missing decides nothing here: CEL looks past it.
        ("args.missing || true", {}, True),
        ("false && args.missing", {}, False),
    ],
)
def test_says(text: str, roots: dict[str, object], said: object) -> None:
    """An expression says of a call what CEL says, with seconds and zones on top."""
    assert says(text, **roots) is said


@pytest.mark.parametrize(
    ("text", "roots", "why"),
    [
        ("args.charge == 'ch_1'", {}, "`charge` is not there"),
        ("look.a.exists(d, d.created > 1)", {"look": {"a": [{"id": 1}]}}, "`created` is not there"),
        ("look.a[args.key] == 1", {"look": {"a": {}}, "args": {"key": "canary"}}, "a member is not there"),
        ("look.a[0] == 1", {"look": {"a": []}}, "it cannot be evaluated"),
        ("args.a < 1", {"args": {"a": "1"}}, "values of different kinds are held against one another"),
        ("args.a", {"args": {"a": "yes"}}, "it says neither true nor false"),
        ("args.a + 9223372036854775807 > 0", {"args": {"a": 1}}, "a number is out of bounds"),
        ("1 / args.a == 1", {"args": {"a": 0}}, "a number is out of bounds"),
        ("args.a > 1", {"args": {"a": 2**63}}, "a number is beyond 64 bits"),
        ("args.a > 1", {"args": {"a": -(2**63) - 1}}, "a number is beyond 64 bits"),
        ("args.n == 0.1", {"args": {"n": Decimal("0.1000000000000000000001")}}, "a number is beyond 64 bits"),
        ("args.n == 0.1", {"args": {"n": float("nan")}}, "a number is beyond 64 bits"),
        ("args.n == 0.1", {"args": {"n": b"x"}}, "a value is no JSON"),
        ("timestamp(args.a) < now", {"args": {"a": 2**62}}, "it cannot be evaluated"),
        ("timestamp(args.a) < now", {"args": {"a": True}}, "it cannot be evaluated"),
        ("timestamp(args.a) < now", {"args": {"a": "yesterday"}}, "it cannot be evaluated"),
        ("moved.amount < 1", {}, "it cannot be evaluated"),
        (
            "look.a.data.all(x, true)",
            {"look": {"a": {"data": None}}},
            "values of different kinds are held against one another",
        ),
    ],
)
def test_unanswerable(text: str, roots: dict[str, object], why: str) -> None:
    """What is missing, of another kind, inexact or out of bounds is no answer, in words that show no data."""
    said = compiled(text).holds({"now": NOW, "args": {}, "look": {}, **roots})
    assert said == Unanswerable(why)


def test_only_what_is_read() -> None:
    """What no expression asks about refuses nothing, however odd it is."""
    odd = {"id": "x", "big": 2**80, "bytes": b"\x00", "created": 1790000000}
    assert says("look.a.exists(d, d.id == 'x')", look={"a": [odd]}) is True
    assert isinstance(says("look.a.exists(d, d.big > 1)", look={"a": [odd]}), Unanswerable)


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("agrs.amount < 1", "`agrs` is nothing that a condition can read", "did you mean `args`?"),
        ("args.amount <", "the expression cannot be read at its end", ""),
        ("args.amount == 'x", "`'x` at character 16 is not CEL", "see the cookbook"),
        ("args.amount = 1", "`= 1` at character 13 is not CEL", "see the cookbook"),
        ("args == args", "`args` is read by members", "name one: `args.NAME`"),
        ("local.huor > 1", "`local` has no member `huor`", "did you mean `hour`?"),
        ("agent.name == 'a'", "`agent` has no members", ""),
        ("args.a.lowerAscii() == 'a'", "`lowerAscii` is no function of conditions", ""),
        ("args.a.startWith('a')", "`startWith` is no function of conditions", "did you mean `startsWith`?"),
        ("duration('180d') > duration('1h')", "CEL's durations have no days", 'write hours: `duration("4320h")`'),
        ("args.a.matches(args.b)", "a pattern is written out, never computed", 'write `args.name.matches("^[a-z]+$")`'),
        (
            "now.getHours(args.zone) > 1",
            "a time zone is written out, never computed",
            'write `now.getHours("Europe/Madrid")`',
        ),
        ("now.getHours('Europe/Madird') > 1", "`Europe/Madird` is no time zone", "did you mean `Europe/Madrid`"),
        ("args.a.exists(now, true)", "`now` is a name that conditions read", "bind another one: `x`"),
        ("has(args)", "`has` is asked of one member: `has(args.reason)`", ""),
        ("args.a.exists(1, true)", "`exists` takes a name and what is said of it", "`list.exists(x, …)`"),
        ("Type{a: 1}", "the expression cannot be read at `{` at character 5", ""),
        ("1 == 99999999999999999999", "this is not CEL: 1:6: invalid int literal", "see the cookbook"),
        ("(" * 40 + "true" + ")" * 40, f"an expression is nested at most {DEPTH_MAX} deep", "write several conditions"),
        ("args" + ".a" * 40, f"members are nested at most {DEPTH_MAX} deep", ""),
        ("true" + " " * LENGTH_MAX, f"an expression has at most {LENGTH_MAX} characters", "write several conditions"),
    ],
)
def test_unreadable(text: str, message: str, hint: str) -> None:
    """What cannot mean anything is refused when it is read, with the right spelling."""
    with pytest.raises(Unreadable) as refused:
        compiled(text)
    assert (refused.value.message, refused.value.hint[: len(hint)]) == (message, hint)


@pytest.mark.parametrize(
    ("text", "n"),
    [
        ("look.l.all(a, look.l.all(x, x >= 0))", 300),
        ("look.l.map(x, x).size() > 0", 2000),
        ("look.l.all(a, look.l.map(x, x).size() > 0)", 100),
        ("look.l.all(a, a in look.l && look.l.exists(x, x == a))", 300),
        ("look.l.all(a, look.l.filter(x, true).map(y, y).size() > 0)", 120),
        ("look.l.exists(x, x < 0)", 20_000),
    ],
)
def test_too_much(text: str, n: int) -> None:
    """Nobody waits for lists whose length makes an expression slow: it is not asked at all."""
    assert says(text, look={"l": list(range(n))}) == Unanswerable("there is too much to look at")
    assert says(text, look={"l": list(range(10))}) is not None


def test_one_for_all() -> None:
    """Expressions of one text are one object, so that ten thousand cards share it."""
    assert compiled("args.amount < 5") is compiled("args.amount < 5")
    assert compiled("args.amount < 5") != compiled("args.amount < 6")
    assert str(compiled("args.amount < 5")) == "args.amount < 5"


def test_what_it_reads() -> None:
    """An expression tells which arguments and look-ups it reads, and those alone."""
    read = compiled("args.a == body.b && look.l.exists(x, x.c == path.d) && has(args.e.f)")
    assert read.arguments == ("a", "e", "path.d", "body.b")
    assert read.reads.members("look") == ("l",)
    assert compiled('["a"]').constant
    assert not read.constant


def test_a_panic_is_no_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    """A panic inside the library, which is no Exception, ends one question; what ends the process goes on."""

    class PanicException(BaseException): ...

    class Broken:
        def __init__(self, raised: type[BaseException]) -> None:
            self.raised = raised

        def execute(self, _: object) -> None:
            raise self.raised("canary")

    asked = compiled("args.a == 1")
    panics = Expression(asked.text, asked.reads, Broken(PanicException))
    assert panics.says({"args": {"a": 1}}) == Unanswerable("it cannot be evaluated")
    with pytest.raises(KeyboardInterrupt):
        Expression(asked.text, asked.reads, Broken(KeyboardInterrupt)).says({"args": {"a": 1}})


# ---------------------------------------------------------------------------------------------------------------- fuzz

WORDS = (
    "args", "look", "now", "x", "y", "a", "b", "true", "false", "null", "in", "has", "size", "timestamp", "duration",
    "map", "filter", "exists", "all", "exists_one", "matches", "string", "int", ".", ".", ".", "(", "(", ")", ")", "[",
    "]", "{", "}", ",", "?", ":", "==", "!=", "<", ">", "&&", "||", "!", "-", "+", "*", "/", "%", "1", "0", "-1",
    "9223372036854775807", "1.5", "1e308", "0x7f", "1u", '"a"', "'b'", "r'\\'", 'b"a"', '"\\u0041"', "'''c'''", "//",
)  # fmt: skip
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | st.text(max_size=4) | st.just("a"),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(["a", "b", "x", ""]), inner, max_size=4)
    ),
    max_leaves=12,
)


@settings(max_examples=400, deadline=None)
@given(st.lists(st.sampled_from(WORDS), max_size=24), VALUES, VALUES, st.booleans())
def test_soup(words: list[str], one: object, other: object, spaced: bool) -> None:
    """Whatever is written and given, there is an answer, no answer, or a fault at load, and nothing else."""
    try:
        expression = compiled((" " if spaced else "").join(words))
    except Unreadable:
        return
    said = expression.holds({"args": {"a": one, "b": other}, "look": {"a": other}, "now": NOW})
    assert isinstance(said, bool | Unanswerable)


def _sides(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.one_of(
        st.tuples(inner, st.sampled_from(["==", "<", "+", "&&", "||", "in", "-", "*"]), inner)
        .map(" ".join)
        .map("({})".format),
        inner.map("!{}".format),
        inner.map("size({})".format),
        inner.map("{}.a".format),
        inner.map("has({}.b)".format),
        st.tuples(inner, inner).map(lambda both: f"{both[0]}[{both[1]}]"),
        st.tuples(inner, st.sampled_from(["map", "filter", "exists", "all"]), inner).map(
            lambda three: f"{three[0]}.{three[1]}(x, {three[2]})"
        ),
        st.tuples(inner, inner, inner).map(lambda three: f"({three[0]} ? {three[1]} : {three[2]})"),
        st.lists(inner, max_size=2).map(lambda items: f"[{', '.join(items)}]"),
    )


SENTENCES = st.recursive(
    st.sampled_from(["args.a", "args.b", "look.a", "x", "1", '"a"', "true", "null", "[1]", "args.a.b", "look.a.a"]),
    _sides,
    max_leaves=6,
)


@settings(max_examples=300, deadline=None)
@given(SENTENCES, VALUES, VALUES)
def test_cut_as_whole(text: str, one: Any, other: Any) -> None:
    """An expression says of what was cut for it what it says of the whole, wherever it says anything of that."""
    try:
        expression = compiled(text)
    except Unreadable:
        return
    roots = {"args": {"a": one, "b": other}, "look": {"a": other}, "now": NOW}
    cut, said = expression.says(roots), _of_the_whole(expression, roots)
    if not isinstance(said, Unanswerable):
        assert cut == said or (cut != cut and said != said)


def _of_the_whole(expression: Expression, roots: dict[str, Any]) -> object:
    everything = {name: Demand(whole=True) for name in roots}
    reads = Reads(everything, (0.0,), (), frozenset(), frozenset(), (), 1)
    return Expression(expression.text, reads, expression.program).says(roots)
