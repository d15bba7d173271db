"""
Routes: which operation a path is, held against a second matcher that knows no trie and no order.

The oracle reads the rule as arithmetic. A template can take a path in some ways; each way gives every segment a rank
(literal 0, literal parts 1, parameter 2, first of a multi-segment parameter 3, each further one 4). Of all ways of all
templates the smallest wins, compared from the left. That is "a literal beats parts beats a parameter beats a
multi-segment parameter, which takes as few segments as lead to a match", without a word about how it is found.
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from config.catalog import OperationSpec, Place
from config.faults import CatalogFault
from config.routes import Catalog, read_template
from config.tables import BUNDLED, compile_catalog, load_catalog

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")
Segments = tuple[str, ...]


def spanning(spec: OperationSpec) -> set[str]:
    return {name for (place, name), held in spec.arguments.items() if place is Place.PATH and held.multi_segment}


def ways(template: Segments, multi: set[str], path: Segments) -> Iterator[Segments]:
    """Yield, for each way in which a template can take a path, a string of ranks."""
    if not template or not path:
        if not template and not path:
            yield ()
        return
    first, rest = template[0], template[1:]
    if "{" not in first:
        found = [(1, "0")] if first == path[0] else []
    elif not re.fullmatch(r"\{[^}]*\}", first):
        found = [(1, "1")] if splits(first, path[0]) == 1 else []
    elif first[1:-1] in multi:
        found = [(count, "3" + "4" * (count - 1)) for count in range(1, len(path) + 1)]
    else:
        found = [(1, "2")]
    for count, ranks in found:
        for later in ways(rest, multi, path[count:]):
            yield (*ranks, *later)


def splits(template: str, text: str) -> int:
    """Count the ways in which a segment with parts can be split."""
    literal, *others = re.split(r"\{[^}]*\}", template)
    if not text.startswith(literal):
        return 0
    return count_splits(tuple(others), text[len(literal) :])


def count_splits(literals: Segments, text: str) -> int:
    if len(literals) == 1:
        return int(text.endswith(literals[0]) and len(text) > len(literals[0]))
    starts = [at for at in range(1, len(text)) if text.startswith(literals[0], at)]
    return sum(count_splits(literals[1:], text[at + len(literals[0]) :]) for at in starts)


class Oracle:
    """Every template of a catalogue, in no order; those of another length that cannot stretch are left out."""

    def __init__(self, catalog: Catalog) -> None:
        self._fixed: dict[tuple[str, str, int], list[tuple[str, Segments]]] = defaultdict(list)
        self._stretching: dict[tuple[str, str], list[tuple[str, Segments, set[str]]]] = defaultdict(list)
        for spec in catalog.operations.values():
            template = tuple(spec.path[1:].split("/")) if spec.path != "/" else ()
            multi = {name for name in spanning(spec) if f"{{{name}}}" in template}
            if multi:
                self._stretching[spec.base, spec.method].append((spec.name, template, multi))
            else:
                self._fixed[spec.base, spec.method, len(template)].append((spec.name, template))

    def matches(self, base: str, method: str, path: Segments) -> dict[str, Segments]:
        """Return every operation that a path can be, with its best way."""
        if any(piece in {"", ".", ".."} for segment in path for piece in segment.split("/")):
            return {}
        method = "GET" if method == "HEAD" else method
        candidates = [(name, template, set[str]()) for name, template in self._fixed[base, method, len(path)]]
        found = {}
        for name, template, multi in (*candidates, *self._stretching[base, method]):
            if taken := list(ways(template, multi, path)):
                found[name] = min(taken)
        return found


def judge(catalog: Catalog, oracle: Oracle, base: str, method: str, path: Segments) -> str | None:
    """Return what the router says, after holding it against the oracle."""
    match = catalog.match(base, method, path)
    found = oracle.matches(base, method, path)
    if match is None:
        assert not found, f"{method} {path} is {found}"
        return None
    best = min(found.values())
    winners = {name for name, way in found.items() if way == best}
    assert match.spec.name in winners, f"{method} {path} was {match.spec.name}, should be {winners}"
    assert winners <= set(match.spec.names), f"{winners} share a route and are not aliases"
    return match.spec.name


def built(spec: OperationSpec) -> tuple[Segments, dict[str, str]]:
    """Return a path of an operation and the arguments in it, parameters with values that no literal has."""
    segments: list[str] = []
    values: dict[str, str] = {}
    for place, segment in enumerate(
        read_template(spec.path, spanning(spec) & set(re.findall(r"\{(.*?)\}", spec.path)))
    ):
        text = segment.text
        for name in segment.names:
            values[name] = f"v{place}-{name}" + ("/and more" if segment.multi else "")
            text = text.replace(f"{{{name}}}", values[name])
        segments += text.split("/")
    return tuple(segments), values


def near_misses(path: Segments) -> Iterator[Segments]:
    yield (*path, "more")
    yield path[:-1]
    yield (*path, "")
    yield tuple(segment.upper() for segment in path)
    for place in range(len(path)):
        yield (*path[:place], path[place] + "x", *path[place + 1 :])
        yield (*path[:place], "..", *path[place + 1 :])


@pytest.fixture(scope="module", params=BUNDLED)
def bundled(request: pytest.FixtureRequest) -> tuple[Catalog, Oracle]:
    catalog = load_catalog(request.param, Path())
    return catalog, Oracle(catalog)


def test_every_operation(bundled: tuple[Catalog, Oracle]) -> None:
    """A path built from each template is that operation or its alias, with the arguments that were put in."""
    catalog, oracle = bundled
    for spec in catalog.operations.values():
        path, values = built(spec)
        match = catalog.match(spec.base, spec.method, path)
        assert match is not None, spec.name
        assert spec.name in match.spec.names, f"{spec.name} is taken for {match.spec.name}"
        assert values.items() <= match.path.items(), spec.name
        others = oracle.matches(spec.base, spec.method, path)
        assert spec.name in others, spec.name
        judge(catalog, oracle, spec.base, spec.method, path)


def test_near_misses(bundled: tuple[Catalog, Oracle]) -> None:
    """What is almost a path of an operation is one only where the second matcher names it."""
    catalog, oracle = bundled
    known, unknown = 0, 0
    for spec in catalog.operations.values():
        path, _ = built(spec)
        for miss in near_misses(path):
            if judge(catalog, oracle, spec.base, spec.method, miss) is None:
                unknown += 1
            else:
                known += 1
    assert unknown > known > 0


def test_other_methods(bundled: tuple[Catalog, Oracle]) -> None:
    """Another method on an operation's path is an operation only where the second matcher names one."""
    catalog, oracle = bundled
    unknown = 0
    for spec in catalog.operations.values():
        path, _ = built(spec)
        said = {method: judge(catalog, oracle, spec.base, method, path) for method in METHODS}
        unknown += list(said.values()).count(None)
        assert said["HEAD"] == said["GET"]
        assert catalog.match("elsewhere", spec.method, path) is None
    assert unknown > len(catalog.operations)


def test_counts() -> None:
    """The bundled tables hold every operation of their sources, and only known ones share a route."""
    catalogs = {name: load_catalog(name, Path()) for name in BUNDLED}
    assert {name: len(catalog.operations) for name, catalog in catalogs.items()} == {
        "github": 1223,
        "jira": 616,
        "stripe": 649,
    }
    shared = {spec.names for catalog in catalogs.values() for spec in catalog.operations.values() if spec.aliases}
    assert {tuple(sorted(names)) for names in shared} == {
        ("customers.payment_sources.delete", "sources.detach"),
        ("repos/compare-commits", "repos/compare-commits-with-basehead"),
    }


def small(*templates: str, multi: tuple[str, ...] = ("m",)) -> Catalog:
    """Return a catalogue of GETs, each named after its template."""
    rows = [
        {
            "name": template,
            "method": "GET",
            "path": template,
            "effect": "read",
            "arguments": {"path": dict.fromkeys(re.findall(r"\{(.*?)\}", template), "string")},
            "multi_segment": [name for name in multi if f"{{{name}}}" in template],
        }
        for template in templates
    ]
    return compile_catalog(json.dumps({"name": "small", "operations": rows}).encode(), b"")


PRECEDENCE = [
    (("/a/b", "/a/{x}"), "a/b", "/a/b", {}),
    (("/a/b", "/a/{x}"), "a/c", "/a/{x}", {"x": "c"}),
    (("/a/{x}...{y}", "/a/{z}"), "a/1...2", "/a/{x}...{y}", {"x": "1", "y": "2"}),
    (("/a/{x}...{y}", "/a/{z}"), "a/1..2", "/a/{z}", {"z": "1..2"}),
    (("/a/{x}...{y}", "/a/{z}"), "a/1....2", "/a/{z}", {"z": "1....2"}),
    (("/a/{x}...{y}", "/a/{z}"), "a/...2", "/a/{z}", {"z": "...2"}),
    (("/a/{z}", "/a/{m}"), "a/1", "/a/{z}", {"z": "1"}),
    (("/a/{z}", "/a/{m}"), "a/1/2", "/a/{m}", {"m": "1/2"}),
    (("/a/{m}", "/a/{m}/end"), "a/1/end", "/a/{m}/end", {"m": "1"}),
    (("/a/{m}", "/a/{m}/end"), "a/1/2/end", "/a/{m}/end", {"m": "1/2"}),
    (("/a/{m}/end",), "a/end/end/end", "/a/{m}/end", {"m": "end/end"}),
    (("/a/b/c", "/a/{x}/d"), "a/b/d", "/a/{x}/d", {"x": "b"}),
    (("/a/b/c", "/{m}/d"), "a/b/d", "/{m}/d", {"m": "a/b"}),
    (("/",), "", "/", {}),
]


@pytest.mark.parametrize(("templates", "path", "name", "values"), PRECEDENCE)
def test_precedence(templates: Segments, path: str, name: str, values: dict[str, str]) -> None:
    """The more literal template wins at the first segment where two differ, and a spanning parameter stays short."""
    match = small(*templates).match("api", "GET", tuple(path.split("/")) if path else ())
    assert match is not None
    assert (match.spec.name, match.path) == (name, values)


NEVER = [
    ("a", ""),
    ("a", "."),
    ("a", ".."),
    ("a", "x/../y"),
    ("a", "/x"),
    ("a", "x//y"),
    ("a", "b", ""),
    ("", "a", "b"),
]


@pytest.mark.parametrize("path", NEVER)
def test_unsafe_segments(path: Segments) -> None:
    """An empty or a dot segment, even one made by an encoded slash, matches no parameter of any kind."""
    assert small("/", "/a/{x}", "/a/{m}").match("api", "GET", path) is None


def test_encoded_slash() -> None:
    """A slash that came encoded is part of its segment's value and never makes a second segment."""
    catalog = small("/a/{x}", "/a/{m}/end")
    single = catalog.match("api", "GET", ("a", "b/end"))
    assert single is not None
    assert single.path == {"x": "b/end"}


TEMPLATE = st.lists(
    st.sampled_from(["a", "b", "{x}", "{y}", "{p}-{q}", "a{r}", "{m}"]), min_size=1, max_size=4, unique=True
)
PATH = st.lists(st.sampled_from(["a", "b", "ab", "a-b", "-", "a-b-c", "c/d", "..", ""]), max_size=6).map(tuple)


@given(
    st.sets(TEMPLATE.map(lambda segments: "/" + "/".join(segments)), min_size=1, max_size=8),
    st.lists(PATH, max_size=12),
)
@settings(max_examples=150, deadline=None)
def test_any_templates(templates: set[str], paths: list[Segments]) -> None:
    """For any set of templates and any path, the trie says what the order-free matcher says."""
    catalog = small(*templates)
    oracle = Oracle(catalog)
    for path in paths:
        judge(catalog, oracle, "api", "GET", path)


BAD_TEMPLATES = [
    ("a/b", "begins with /"),
    ("/a?b", "begins with /"),
    ("/a//b", "empty"),
    ("/a/../b", "dot"),
    ("/{x}/{x}", "twice"),
    ("/{x}{y}", "guess"),
    ("/{m}/{n}", "two parameters that span"),
    ("/a{m}", "shares one"),
    ("/{x", "pair up"),
    ("/{x/y}", "pair up"),
]


@pytest.mark.parametrize(("template", "said"), BAD_TEMPLATES)
def test_bad_templates(template: str, said: str) -> None:
    """A template that could be matched in two ways, or in none, is refused with the reason."""
    with pytest.raises(CatalogFault) as fault:
        read_template(template, {"m", "n"} & set(re.findall(r"[mn]", template)))
    assert said in f"{fault.value.message} {fault.value.hint}"


def test_path_alias() -> None:
    """Jira's older prefixes are the operations of version 3, and a prefix that only looks alike is none."""
    jira = load_catalog("jira", Path())
    for version, found in (("3", "getIssue"), ("2", "getIssue"), ("latest", "getIssue"), ("4", None)):
        match = jira.match("api", "GET", ("rest", "api", version, "issue", "BW-1"))
        assert (match.spec.name if match else None) == found


def test_uploads_base() -> None:
    """An asset is uploaded at the base of its own server, and is no operation of the other one."""
    github = load_catalog("github", Path())
    path = ("repos", "o", "r", "releases", "1", "assets")
    assert [base for base in ("api", "uploads") if github.match(base, "POST", path)] == ["uploads"]


def test_refused_paths() -> None:
    """GitHub's GraphQL is no operation, and the dialect says why."""
    github = load_catalog("github", Path())
    assert github.match("api", "POST", ("graphql",)) is None
    assert "GraphQL" in (github.refused(("graphql",)) or "")
    assert github.refused(("nowhere",)) is None


def test_names() -> None:
    """An operation is found by its name, its alias and a glob, and a wrong name by what is like it."""
    stripe = load_catalog("stripe", Path())
    assert [spec.name for spec in stripe.named("sources.detach")] == [
        "sources.detach",
        "customers.payment_sources.delete",
    ]
    assert stripe.named("sources.detatch") == ()
    assert stripe.nearest("sources.detatch")[0] == "sources.detach"
    found = {spec.name for spec in stripe.matching("refunds.*")}
    assert found == {"refunds.cancel", "refunds.create", "refunds.list", "refunds.retrieve", "refunds.update"}
    assert {spec.name for spec in stripe.matching("*.detach")} == {
        "customers.payment_sources.delete",
        "payment_methods.detach",
        "sources.detach",
    }
    assert stripe.matching("refund?.create") == ()
