"""The model of Redis against a real one: the same answers to the same commands, and the rules that scripts live by."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import redis
from hypothesis import given, settings
from hypothesis import strategies as st
from redis.connection import Connection
from redis.exceptions import ResponseError

from tests.redis_server import RedisServer, redis_server
from tests.sim.redis_data import Refused
from tests.sim.redis_model import RedisModel

__all__ = ["redis_server"]

KEYS = st.sampled_from([b"a", b"b"])
NAMES = st.sampled_from([b"x", b"y", b"#"])
VALUES = st.sampled_from([b"0", b"7", b"-3", b"word", b"9223372036854775807", b""])
SCORES = st.sampled_from([b"0", b"1", b"-2.5", b"1795253400000", b"inf", b"x"])
ENDS = st.sampled_from([b"-inf", b"+inf", b"0", b"(1", b"1795253400000", b"y"])
PLACES = st.sampled_from([b"0", b"1", b"-1", b"-2", b"5"])
LEXICAL = st.sampled_from([b"-", b"+", b"[x", b"(x", b"y"])


def _command(name: bytes, *arguments: st.SearchStrategy[bytes] | bytes) -> st.SearchStrategy[tuple[bytes, ...]]:
    return st.tuples(*(st.just(one) if isinstance(one, bytes) else one for one in (name, *arguments)))


COMMANDS = st.one_of(
    *(_command(name, KEYS) for name in (b"GET", b"TYPE", b"INCR", b"PERSIST", b"HGETALL", b"HKEYS", b"HVALS", b"HLEN")),
    *(_command(name, KEYS) for name in (b"ZCARD", b"LLEN", b"LPOP", b"RPOP", b"EXISTS", b"DEL", b"HGET")),
    *(_command(b"SET", KEYS, VALUES, *more) for more in ((), (b"NX",), (b"XX",), (b"KEEPTTL",), (b"PX", b"90000"))),
    *(_command(b"SET", KEYS, VALUES, *more) for more in ((b"PX", b"0"), (b"PX",), (b"NONSENSE",))),
    *(_command(name, KEYS, NAMES) for name in (b"HGET", b"HEXISTS", b"HDEL", b"ZREM", b"ZSCORE", b"MGET")),
    *(_command(name, KEYS, NAMES, VALUES) for name in (b"HSET", b"HSETNX", b"HINCRBY")),
    *(_command(name, KEYS, VALUES) for name in (b"LPUSH", b"RPUSH", b"INCRBY")),
    *(_command(name, KEYS, PLACES, PLACES) for name in (b"LRANGE", b"LTRIM", b"ZRANGE", b"ZREMRANGEBYRANK")),
    *(_command(name, KEYS, ENDS, ENDS) for name in (b"ZCOUNT", b"ZRANGEBYSCORE", b"ZREMRANGEBYSCORE")),
    _command(b"ZRANGEBYSCORE", KEYS, ENDS, ENDS, b"WITHSCORES", b"LIMIT", PLACES, PLACES),
    _command(b"ZRANGE", KEYS, PLACES, PLACES, b"WITHSCORES"),
    _command(b"ZRANGEBYLEX", KEYS, LEXICAL, LEXICAL),
    _command(b"ZADD", KEYS, SCORES, NAMES),
    _command(b"HMGET", KEYS, NAMES, NAMES),
    _command(b"PEXPIRE", KEYS, st.sampled_from([b"90000", b"-1", b"word"])),
    _command(b"NONSENSE", KEYS),
)


@pytest.fixture(scope="module")
def connection(redis_server: RedisServer) -> Iterator[Connection]:
    """
    Return a bare connection to a real Redis: what it answers comes as it is.
    """
    client = redis.Redis("127.0.0.1", redis_server.port, protocol=2)
    made = client.connection_pool.get_connection()
    yield made
    made.disconnect()  # type: ignore[no-untyped-call]
    client.close()


def _really(connection: Connection, *command: bytes) -> Any:
    try:
        connection.send_command(*command)  # type: ignore[no-untyped-call]
        return connection.read_response()
    except ResponseError as error:
        return str(error).partition(" ")[0] if str(error).startswith("WRONGTYPE") else "refused"


def _modelled(model: RedisModel, *command: bytes) -> Any:
    try:
        said = model.execute(command[0].decode(), *command[1:])
    except Refused as refused:
        return "WRONGTYPE" if str(refused).startswith("WRONGTYPE") else "refused"
    return bytes(said) if isinstance(said, bytes) else said


@settings(max_examples=300)
@given(st.lists(COMMANDS, min_size=4, max_size=16))
def test_same_answers(connection: Connection, commands: list[tuple[bytes, ...]]) -> None:
    """Whatever is asked in whatever order, the model answers and refuses as a real server does."""
    model = RedisModel(lambda: 1_795_253_400_000_000)
    assert _really(connection, b"FLUSHALL") == b"OK"
    for command in commands:
        found, expected = _modelled(model, *command), _really(connection, *command)
        # The client's own error for what a server calls one: which of its words it used does not matter.
        assert found == expected or (found in {"refused", "WRONGTYPE"} and expected == "refused"), command


SCRIPTS = {
    "a number loses its fraction": (b"return {1.9, -2.5, 'x', false, 3}", [1, -2, b"x", None, 3]),
    "a table ends at nothing": (b"return {1, nil, 3}", [1]),
    "a word of the protocol": (b"return redis.status_reply('FINE')", b"FINE"),
    "nothing is false": (b"return redis.call('GET', KEYS[1]) == false and 'none'", b"none"),
    "an answer that is a word": (b"return redis.call('SET', KEYS[1], 'v').ok", b"OK"),
    "numbers are spelled": (
        b"redis.call('SET', KEYS[1], 1795253400123) return redis.call('GET', KEYS[1])",
        b"1795253400123",
    ),
    "what fails may be caught": (b"return redis.pcall('INCR', KEYS[1], 'x').err ~= nil and 'caught'", b"caught"),
    "JSON is read": (b"return cjson.decode('[1, \"two\", null]')[2]", b"two"),
    "junk is no JSON": (b"return pcall(cjson.decode, 'junk') and 'read' or 'not read'", b"not read"),
    "an error of its own": (b"return redis.error_reply('MINE is mine')", "refused"),
    "a global": (b"x = 1 return 1", "refused"),
    "a global that is none": (b"return nothing", "refused"),
    "no script": (b"return (", "refused"),
}


@pytest.mark.parametrize("name", SCRIPTS)
def test_scripts(connection: Connection, name: str) -> None:
    """What scripts return, catch and may not do is the same in the model and in a real server."""
    text, said = SCRIPTS[name]
    assert _really(connection, b"FLUSHALL") == b"OK"
    told = (b"EVAL", text, b"1", b"bw:{x}:a")
    assert _modelled(RedisModel(lambda: 0), *told) == said
    assert _really(connection, *told) == said


def test_undeclared_refused() -> None:
    """A key that a script touches without having declared it is an error, as it would be on another node."""
    model = RedisModel(lambda: 0)
    with pytest.raises(Refused, match="non local key"):
        model.execute("EVAL", b"return redis.call('GET', 'bw:{x}:b')", b"1", b"bw:{x}:a")


def test_unknown_script() -> None:
    """A server that forgot its scripts says so, and knows again the one that it is given whole."""
    model, text = RedisModel(lambda: 0), b"return 1"
    assert model.execute("EVAL", text, b"0") == 1
    (sha,) = model.texts
    assert model.execute("EVALSHA", sha.encode(), b"0") == 1
    model.texts.clear()
    with pytest.raises(Refused, match="NOSCRIPT"):
        model.execute("EVALSHA", sha.encode(), b"0")


STATES: dict[str, dict[str, object]] = {
    "READONLY": {"role": "slave"},
    "LOADING": {"loading": True},
    "OOM": {"memory_left": False},
}


@pytest.mark.parametrize("word", STATES)
def test_states_refuse(word: str) -> None:
    """A replica, a server that loads and one without memory refuse a write, from a script as well."""
    model = RedisModel(lambda: 0)
    for name, value in STATES[word].items():
        setattr(model, name, value)
    with pytest.raises(Refused, match=word):
        model.execute("SET", b"a", b"b")
    with pytest.raises(Refused, match=word):
        model.execute("EVAL", b"return redis.call('SET', KEYS[1], 'v')", b"1", b"a")


def test_time_passes() -> None:
    """What has a time to live is there until then, on the clock that the model is given."""
    at = [1_000_000]
    model = RedisModel(lambda: at[0])
    model.execute("SET", b"a", b"b", b"PX", b"500")
    assert model.execute("PTTL", b"a") == 500
    at[0] += 499_999
    assert model.execute("GET", b"a") == b"b"
    at[0] += 1
    assert (model.execute("GET", b"a"), model.execute("PTTL", b"a")) == (None, -2)
