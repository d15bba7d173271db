"""The two scripts between which a ledger is told, case by case: when a new epoch is built, and when it opens."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
import pytest_asyncio

from breakers.store.link import Shared
from tests.redis_server import RedisServer, fresh_redis, redis_server

__all__ = ["fresh_redis", "redis_server"]

BEGIN = (
    *("epoch", "building", "names-by", "server", "evicted", "versions", "wiping"),
    *("members", "knows", "forgotten", "expected", "replayed"),
)
READY = ("epoch", "building", "members", "knows", "forgotten", "expected", "replayed")

HERE, JOINING = "{} 0 1000 1000 1\n{{}}", "{} 0 1000 1000 0\n{{}}"

Said = list[object]


@dataclass(frozen=True, slots=True)
class Stands:
    """
    What stands in the shared state: values by key, and hashes by key.
    """

    values: Mapping[str, str] = field(default_factory=dict)
    hashes: Mapping[str, Mapping[str, str]] = field(default_factory=dict)


def open_at(epoch: str = "B/0", server: str = "s/", evicted: int = 3, **hashes: Mapping[str, str]) -> Stands:
    """
    Return a state that holds what was told.
    """
    return Stands({"epoch": epoch, "server": server, "evicted": str(evicted)}, hashes)


def built_at(building: str = "B", server: str = "s/", **hashes: Mapping[str, str]) -> Stands:
    """
    Return a state into which ledgers are being told.
    """
    return Stands({"building": building, "server": server, "evicted": "3"}, hashes)


def here(*names: str) -> dict[str, str]:
    """
    Return the rows of replicas that belong to the fleet.
    """
    return {name.partition(".")[0]: HERE.format(name) for name in names}


def all_know(*names: str) -> dict[str, str]:
    """
    Return that each of these knows all of them.
    """
    return {name.partition(".")[0]: f" {' '.join(names)} " for name in names}


@pytest_asyncio.fixture
async def shared(fresh_redis: RedisServer, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Shared]:
    """
    Give a deployment's part of an empty Redis.
    """
    monkeypatch.setattr("breakers.store.redis.ANSWERS_WITHIN_S", 10.0)
    store = fresh_redis.store("shop")
    yield store._shared
    await store.close()


async def put(shared: Shared, stands: Stands) -> None:
    """
    Have this stand there, and nothing else.
    """
    for key, value in stands.values.items():
        await shared.ask("SET", key, value)
    for key, fields in stands.hashes.items():
        for name, value in fields.items():
            await shared.ask("HSET", key, name, value)


def read(answer: Sequence[object] | None) -> Said | None:
    """
    Return an answer as text.
    """
    return None if answer is None else [one.decode() if isinstance(one, bytes) else one for one in answer]


NEW = "new"


@pytest.mark.parametrize(
    ("stands", "told", "said"),
    [
        (Stands(), {}, NEW),
        (open_at(), {}, ("B", "")),
        (open_at("B/7"), {}, ("B", "")),
        (open_at(), {"server": "t/"}, "server"),
        (open_at(server="s/0a"), {}, "server"),
        (open_at(), {"evicted": 2}, ("B", "")),
        (open_at(), {"belongs": 1}, "missing"),
        (open_at(members=here("one.1")), {"belongs": 1}, "missing"),
        (open_at(members=here("one")), {"belongs": 1}, ("B", "")),
        (open_at(members=here("one")), {"belongs": 1, "server": "t/"}, "server"),
        (built_at(), {}, ("B", "")),
        (built_at(), {"belongs": 1}, ("B", "")),
        (built_at(server="t/"), {}, "server"),
        (Stands({"server": "s/", "evicted": "3"}), {}, NEW),
        # What a version before fleets left.
        (Stands({"epoch": "1760000000.1"}), {}, "server"),
    ],
)
async def test_begin(shared: Shared, stands: Stands, told: dict[str, Any], said: object) -> None:
    """A new epoch is built where there is none, or what is there cannot be all; else the one that is there counts."""
    await put(shared, stands)
    answer = read(await begin(shared, **told))
    assert answer is not None
    if isinstance(said, tuple):
        assert answer == ["begun", *said]
        return
    word, base, why = answer
    assert (word, why) == ("begun", said)
    assert base == (await shared.ask("GET", "building")).decode() != "B"
    assert await shared.ask("GET", "epoch") is None
    assert int(await shared.ask("GET", "versions")) > 10**15


async def begin(
    shared: Shared,
    *,
    names_by: str = "",
    server: str = "s/",
    evicted: int = 3,
    wiped: str = "",
    name: str = "one",
    belongs: int = 0,
    knows: str = " one ",
    gone: str = " ",
    lacks: int = 0,
) -> Sequence[object] | None:
    """
    Begin as a replica.
    """
    id_ = name.partition(".")[0]
    answer: Sequence[object] | None = await shared.run(
        "begin", BEGIN, names_by, server, evicted, "unlike", wiped, id_, name, belongs, b"{}", knows, gone, lacks
    )
    return answer


async def test_other_names(shared: Shared) -> None:
    """Whoever makes names with something else than the others is told so."""
    assert read(await begin(shared, names_by="ring")) is not None
    assert read(await begin(shared, names_by="another")) is None


async def test_wiping(shared: Shared) -> None:
    """After an eviction all of it goes first: whoever begins meanwhile helps, and nothing is thrown away later."""
    await put(shared, open_at())
    assert read(await begin(shared, evicted=4)) == ["wipe", "unlike"]
    assert await shared.ask("GET", "epoch") is None
    assert read(await begin(shared, name="two", evicted=4)) == ["wipe", "unlike"]
    await shared.ask("SET", "name:k", "x")
    assert await shared.run("wipe", ("wiping", "name:k"), "unlike") == 1
    begun = read(await begin(shared, evicted=4, wiped="unlike"))
    assert begun is not None
    assert (begun[0], begun[2]) == ("begun", "evicted")
    await shared.ask("SET", "name:k", "x")
    assert await shared.run("wipe", ("wiping", "name:k"), "unlike") == 0
    assert await shared.ask("GET", "name:k") == b"x"
    # Who comes with the older count does not begin it once more.
    assert read(await begin(shared, name="two", evicted=4, wiped="unlike")) == ["begun", begun[1], ""]


@pytest.mark.parametrize(
    "stands",
    [
        Stands({"epoch": "B/0", "server": "s/"}),
        Stands({"epoch": "B/0", "evicted": "3"}),
        Stands({"epoch": "B/0"}, {"members": here("one")}),
        Stands({"building": "B", "evicted": "3"}),
        Stands({"server": "s/"}),
        Stands({"server": "s/", "evicted": "2"}),
    ],
)
async def test_evicted_as_well(shared: Shared, stands: Stands) -> None:
    """What would tell of an eviction may be evicted itself, or the epoch: that is an eviction, too."""
    await put(shared, stands)
    assert read(await begin(shared)) == ["wipe", "unlike"]


async def test_evicted_before_a_restart(shared: Shared) -> None:
    """What was evicted is lacking after a restart too, which counts from nothing: whoever saw it says so."""
    await put(shared, open_at())
    assert read(await begin(shared, server="t/", evicted=0, lacks=1)) == ["wipe", "unlike"]
    word, _, why = read(await begin(shared, server="t/", evicted=0, lacks=1, wiped="unlike")) or []
    assert (word, why) == ("begun", "evicted")


async def test_expected(shared: Shared) -> None:
    """Waited for are those who were here and belong to the fleet, and whom whoever begins has on record."""
    await put(shared, open_at(members=here("one", "two") | {"new": JOINING.format("new")}, forgotten={"gone": "1"}))
    await begin(shared, server="t/", belongs=1, knows=" one three gone ")
    await begin(shared, server="t/", name="new", knows=" four ")
    assert sorted(await shared.ask("HKEYS", "expected")) == [b"four", b"gone", b"one", b"three", b"two"]
    word, *names = await ready(shared, "one", (await shared.ask("GET", "building")).decode())
    assert (word, sorted(map(str, names))) == (b"building", ["b'four'", "b'three'", "b'two'"])


async def test_forgotten(shared: Shared) -> None:
    """A forgotten name is told so whatever else there is, and who has that on record tells it where it is not known."""
    await put(shared, open_at(members=here("one", "two"), forgotten={"one": "1"}))
    assert read(await begin(shared, belongs=1)) == ["forgotten"]
    assert read(await ready(shared, "one", "B")) == ["forgotten"]
    assert read(await begin(shared, name="one.1")) == ["begun", "B", ""]
    assert read(await begin(shared, name="three", gone=" two ")) == ["begun", "B", ""]
    assert read(await begin(shared, name="two")) == ["forgotten"]
    assert await shared.ask("HGET", "members", "two") is None


ALL = all_know("one", "two")


@pytest.mark.parametrize(
    ("stands", "said"),
    [
        (Stands(), ["lost"]),
        (open_at("C/0", members=here("one")), ["lost"]),
        (built_at("C", members=here("one")), ["lost"]),
        (open_at(), ["lost"]),
        (open_at(members=here("one.1")), ["lost"]),
        (open_at(members=here("one")), ["open", "B/0"]),
        (open_at("B/5", members=here("one")), ["open", "B/5"]),
        (built_at(members=here("one")), ["open", "B/0"]),
        (built_at(members=here("one"), expected={"one": "1"}), ["open", "B/0"]),
        (built_at(members=here("one"), expected={"one": "1", "two": "1"}), ["building", "two"]),
        (built_at(members=here("one"), expected={"two": "1"}, replayed={"two": "A"}), ["building", "two"]),
        (built_at(members=here("one"), expected={"two": "1"}, replayed={"two": "B"}), ["open", "B/0"]),
        (built_at(members=here("one"), expected={"two": "1"}, forgotten={"two": "1"}), ["open", "B/0"]),
        (built_at(members=here("one"), expected={"two": "1"}, forgotten={"two.1": "1"}), ["building", "two"]),
        (open_at(members=here("one", "two"), knows=ALL), ["open", "B/0"]),
        (open_at(members=here("one", "two"), knows={"one": " one two ", "two": " two "}), ["joining", "two"]),
        (open_at(members=here("one", "two"), knows={"one": " one ", "two": " one two "}), ["joining", "two"]),
        (open_at(members=here("one", "two"), knows={"one": " one two ", "two": " one.1 "}), ["joining", "two"]),
        (open_at(members=here("one") | {"two": JOINING.format("two")}), ["open", "B/0"]),
    ],
)
async def test_ready(shared: Shared, stands: Stands, said: Said) -> None:
    """The epoch opens once everyone told what is needed, for whoever knows all and is known to all who belong to it."""
    await put(shared, stands)
    assert read(await ready(shared, "one", "B")) == said
    is_open = said[0] in {"open", "joining"} or "epoch" in stands.values
    assert (await shared.ask("GET", "epoch") is not None) is is_open


async def ready(shared: Shared, name: str, told: str) -> Sequence[object]:
    """
    Say that a replica has told all.
    """
    answer: Sequence[object] = await shared.run("ready", READY, told, name.partition(".")[0], name)
    return answer


async def test_turned(shared: Shared) -> None:
    """With each replica that is forgotten the epoch turns once, however often that is told, and its base stays."""
    await put(shared, open_at(members=here("one", "two"), knows=ALL))
    for _ in range(2):
        await shared.run("forget", READY[:5], "two", "two", -1, 0, "one", " one ")
    assert await shared.ask("GET", "epoch") == b"B/1"
    assert read(await ready(shared, "one", "B")) == ["open", "B/1"]


async def test_turned_by_a_record(shared: Shared) -> None:
    """It turns as well where nobody but a record says that somebody was forgotten, and once for each."""
    await put(shared, open_at(members=here("one", "two", "three"), knows=all_know("one", "two", "three")))
    for _ in range(2):
        assert read(await begin(shared, belongs=1, gone=" two ")) == ["begun", "B", ""]
    assert await shared.ask("GET", "epoch") == b"B/1"
    await begin(shared, belongs=1, gone=" three two ")
    assert await shared.ask("GET", "epoch") == b"B/2"
