"""Commands of the model of Redis about sorted sets and lists, and the table of all of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tests.sim import redis_plain as plain
from tests.sim.redis_data import OK, SYNTAX, Bound, Keyspace, Refused, Reply, integer, number, spelled

# --------------------------------------------------------------------------------------------------------- sorted sets


def _zadd(keys: Keyspace, key: bytes, *pairs: bytes) -> Reply:
    if not pairs or len(pairs) % 2:
        raise Refused(SYNTAX)
    read = [(number(score), member) for score, member in zip(pairs[::2], pairs[1::2], strict=True)]
    held = keys.sorted(key)
    new = sum(held.put(member, score) for score, member in read)
    keys.keep(key, held)
    return new


def _zrem(keys: Keyspace, key: bytes, first: bytes, *more: bytes) -> Reply:
    held = keys.sorted(key)
    gone = sum(held.drop(member) for member in (first, *more))
    if gone:
        keys.keep(key, held)
    return gone


def _zscore(keys: Keyspace, key: bytes, member: bytes) -> Reply:
    score = keys.sorted(key).scores.get(member)
    return None if score is None else spelled(score)


def _zcard(keys: Keyspace, key: bytes) -> Reply:
    return len(keys.sorted(key).scores)


def _between(keys: Keyspace, key: bytes, low: bytes, high: bytes) -> list[bytes]:
    lowest, highest = Bound.read(low), Bound.read(high)
    return [member for score, member in keys.sorted(key).order if lowest.below(score) and highest.above(score)]


def _zcount(keys: Keyspace, key: bytes, low: bytes, high: bytes) -> Reply:
    return len(_between(keys, key, low, high))


def _limited(found: list[bytes], options: Sequence[bytes]) -> list[bytes]:
    if not options:
        return found
    if len(options) != 3 or options[0].upper() != b"LIMIT":
        raise Refused(SYNTAX)
    first, count = integer(options[1]), integer(options[2])
    return found[first:] if count < 0 else found[first : first + count]


def _zrangebyscore(keys: Keyspace, key: bytes, low: bytes, high: bytes, *options: bytes) -> Reply:
    with_scores = [option.upper() for option in options[:1]] == [b"WITHSCORES"]
    found = _limited(_between(keys, key, low, high), options[with_scores:])
    if with_scores:
        scores = keys.sorted(key).scores
        return [each for member in found for each in (member, spelled(scores[member]))]
    return found


def _zremrangebyrank(keys: Keyspace, key: bytes, first: bytes, last: bytes) -> Reply:
    gone = _zrange(keys, key, first, last)
    return _zrem(keys, key, *gone) if gone else 0


def _zremrangebyscore(keys: Keyspace, key: bytes, low: bytes, high: bytes) -> Reply:
    gone = _between(keys, key, low, high)
    return _zrem(keys, key, *gone) if gone else 0


def _zrange(keys: Keyspace, key: bytes, first: bytes, last: bytes, *options: bytes) -> Reply:
    if options and [option.upper() for option in options] != [b"WITHSCORES"]:
        raise Refused(SYNTAX)
    start, stop = integer(first), integer(last)
    order = keys.sorted(key).order
    start, stop = (max(0, place + len(order)) if place < 0 else place for place in (start, stop))
    found = order[start : stop + 1] if integer(last) >= -len(order) else []
    if options:
        return [each for score, member in found for each in (member, spelled(score))]
    return [member for _, member in found]


def _lex(text: bytes) -> tuple[int, bytes, bool]:
    """
    Return an end of a range of members: -1 or 1 where it is none, else 0, the member, and whether it is left out.
    """
    if text in {b"-", b"+"}:
        return (-1 if text == b"-" else 1), b"", False
    if text[:1] not in {b"[", b"("}:
        raise Refused("ERR min or max not valid string range item")
    return 0, text[1:], text[:1] == b"("


def _zrangebylex(keys: Keyspace, key: bytes, low: bytes, high: bytes, *options: bytes) -> Reply:
    (low_end, lowest, low_open), (high_end, highest, high_open) = _lex(low), _lex(high)
    found = [
        member
        for _, member in keys.sorted(key).order
        if (low_end < 0 or (low_end == 0 and (lowest < member or (lowest == member and not low_open))))
        and (high_end > 0 or (high_end == 0 and (member < highest or (highest == member and not high_open))))
    ]
    return _limited(found, options)


# --------------------------------------------------------------------------------------------------------------- lists


def _lpush(keys: Keyspace, key: bytes, first: bytes, *more: bytes) -> Reply:
    held = keys.list(key)
    for value in (first, *more):
        held.insert(0, value)
    keys.keep(key, held)
    return len(held)


def _rpush(keys: Keyspace, key: bytes, first: bytes, *more: bytes) -> Reply:
    held = keys.list(key)
    held.extend((first, *more))
    keys.keep(key, held)
    return len(held)


def _pop(keys: Keyspace, key: bytes, place: int) -> Reply:
    held = keys.list(key)
    if not held:
        return None
    value = held.pop(place)
    keys.keep(key, held)
    return value


def _lpop(keys: Keyspace, key: bytes) -> Reply:
    return _pop(keys, key, 0)


def _rpop(keys: Keyspace, key: bytes) -> Reply:
    return _pop(keys, key, -1)


def _llen(keys: Keyspace, key: bytes) -> Reply:
    return len(keys.list(key))


def _lrange(keys: Keyspace, key: bytes, first: bytes, last: bytes) -> Reply:
    held, start, stop = keys.list(key), integer(first), integer(last)
    start = max(0, start + len(held)) if start < 0 else start
    stop = stop + len(held) if stop < 0 else stop
    return held[start : stop + 1] if stop >= 0 else []


def _ltrim(keys: Keyspace, key: bytes, first: bytes, last: bytes) -> Reply:
    keys.keep(key, _lrange(keys, key, first, last))
    return OK


@dataclass(frozen=True, slots=True)
class Command:
    """
    How a command is carried out, and which of its arguments are keys: the first `keys`, or with -1 all of them.
    """

    carry: Any
    keys: int = 1
    writes: bool = True

    def named(self, arguments: Sequence[bytes]) -> Sequence[bytes]:
        """
        Return the keys among its arguments.
        """
        return arguments[:1] if self.keys == 1 else arguments if self.keys < 0 else ()


_READS = {
    b"GET": plain.get,
    b"PTTL": plain.pttl,
    b"TYPE": plain.type_,
    b"HGET": plain.hget,
    b"HMGET": plain.hmget,
    b"HGETALL": plain.hgetall,
    b"HKEYS": plain.hkeys,
    b"HVALS": plain.hvals,
    b"HLEN": plain.hlen,
    b"HEXISTS": plain.hexists,
    b"ZSCORE": _zscore,
    b"ZCARD": _zcard,
    b"ZCOUNT": _zcount,
    b"ZRANGEBYSCORE": _zrangebyscore,
    b"ZRANGE": _zrange,
    b"ZRANGEBYLEX": _zrangebylex,
    b"LLEN": _llen,
    b"LRANGE": _lrange,
}
_WRITES = {
    b"SET": plain.set_,
    b"INCR": plain.incr,
    b"INCRBY": plain.incrby,
    b"PEXPIRE": plain.pexpire,
    b"PEXPIREAT": plain.pexpireat,
    b"EXPIRE": plain.expire,
    b"PERSIST": plain.persist,
    b"HSET": plain.hset,
    b"HSETNX": plain.hsetnx,
    b"HINCRBY": plain.hincrby,
    b"ZREMRANGEBYRANK": _zremrangebyrank,
    b"HDEL": plain.hdel,
    b"ZADD": _zadd,
    b"ZREM": _zrem,
    b"ZREMRANGEBYSCORE": _zremrangebyscore,
    b"LPUSH": _lpush,
    b"RPUSH": _rpush,
    b"LPOP": _lpop,
    b"RPOP": _rpop,
    b"LTRIM": _ltrim,
}

COMMANDS: Mapping[bytes, Command] = {
    **{name: Command(carry, writes=False) for name, carry in _READS.items()},
    **{name: Command(carry) for name, carry in _WRITES.items()},
    b"MGET": Command(plain.mget, -1, writes=False),
    b"EXISTS": Command(plain.exists, -1, writes=False),
    b"DEL": Command(plain.del_, -1),
    b"UNLINK": Command(plain.del_, -1),
    b"TIME": Command(plain.time, 0, writes=False),
    b"FLUSHALL": Command(plain.flushall, 0),
}


def carried(keys: Keyspace, name: bytes, arguments: Sequence[bytes]) -> Reply:
    """
    Carry out one command. Raise `Refused` where the server would answer with an error.
    """
    found = COMMANDS.get(name)
    if found is None:
        raise Refused(f"ERR the model knows no command '{name.decode()}'")
    try:
        return found.carry(keys, *arguments)
    except TypeError as error:
        if "positional argument" not in str(error):
            raise
        raise Refused(f"ERR wrong number of arguments for '{name.decode().lower()}' command") from None
