"""Commands of the model of Redis about strings, hashes, and keys of every kind."""

from __future__ import annotations

from tests.sim.redis_data import (
    HASH_NO_INTEGER,
    INT_MAX,
    OK,
    SYNTAX,
    Keyspace,
    Refused,
    Reply,
    Sorted,
    Status,
    integer,
)

# ------------------------------------------------------------------------------------------------------------- strings


def get(keys: Keyspace, key: bytes) -> Reply:
    return keys.string(key)


def mget(keys: Keyspace, *names: bytes) -> Reply:
    found = (keys.found(name) for name in names)
    return [value if isinstance(value, bytes) else None for value in found]


def set_(keys: Keyspace, key: bytes, value: bytes, *options: bytes) -> Reply:
    over, left, is_kept, only = None, list(options), False, b""
    while left:
        match option := left.pop(0).upper():
            case b"PX" | b"EX" if left:
                told = integer(left.pop(0))
                if told <= 0:
                    raise Refused("ERR invalid expire time in 'set' command")
                over = keys.now_ms() + told * (1 if option == b"PX" else 1000)
            case b"NX" | b"XX":
                only = option
            case b"KEEPTTL":
                is_kept = True
            case _:
                raise Refused(SYNTAX)
    is_there = keys.found(key) is not None
    if (only == b"NX" and is_there) or (only == b"XX" and not is_there):
        return None
    keys.values[key] = value
    if over is not None:
        keys.over_ms[key] = over
    elif not is_kept:
        keys.over_ms.pop(key, None)
    return OK


def incrby(keys: Keyspace, key: bytes, by: bytes) -> Reply:
    found = keys.string(key)
    value = integer(b"0" if found is None else found) + integer(by)
    if not -INT_MAX - 1 <= value <= INT_MAX:
        raise Refused("ERR increment or decrement would overflow")
    keys.values[key] = b"%d" % value
    return value


def incr(keys: Keyspace, key: bytes) -> Reply:
    return incrby(keys, key, b"1")


# ---------------------------------------------------------------------------------------------------------- every kind


def del_(keys: Keyspace, first: bytes, *more: bytes) -> Reply:
    return sum(keys.found(name) is not None and keys.forget(name) for name in (first, *more))


def exists(keys: Keyspace, first: bytes, *more: bytes) -> Reply:
    return sum(keys.found(name) is not None for name in (first, *more))


def pexpireat(keys: Keyspace, key: bytes, at: bytes) -> Reply:
    over = integer(at)
    if keys.found(key) is None:
        return 0
    keys.over_ms[key] = over
    keys.found(key)
    return 1


def pexpire(keys: Keyspace, key: bytes, left: bytes) -> Reply:
    return pexpireat(keys, key, b"%d" % (keys.now_ms() + integer(left)))


def expire(keys: Keyspace, key: bytes, left: bytes) -> Reply:
    return pexpireat(keys, key, b"%d" % (keys.now_ms() + 1000 * integer(left)))


def pttl(keys: Keyspace, key: bytes) -> Reply:
    if keys.found(key) is None:
        return -2
    over = keys.over_ms.get(key)
    return -1 if over is None else over - keys.now_ms()


def persist(keys: Keyspace, key: bytes) -> Reply:
    return int(keys.found(key) is not None and keys.over_ms.pop(key, None) is not None)


def type_(keys: Keyspace, key: bytes) -> Reply:
    match keys.found(key):
        case None:
            return Status(b"none")
        case bytes():
            return Status(b"string")
        case dict():
            return Status(b"hash")
        case Sorted():
            return Status(b"zset")
        case _:
            return Status(b"list")


def time(keys: Keyspace) -> Reply:
    seconds, micros = divmod(keys.micros(), 1_000_000)
    return [b"%d" % seconds, b"%d" % micros]


def flushall(keys: Keyspace, *_: bytes) -> Reply:
    keys.values.clear()
    keys.over_ms.clear()
    return OK


# -------------------------------------------------------------------------------------------------------------- hashes


def hget(keys: Keyspace, key: bytes, name: bytes) -> Reply:
    return keys.hash(key).get(name)


def hmget(keys: Keyspace, key: bytes, first: bytes, *more: bytes) -> Reply:
    held = keys.hash(key)
    return [held.get(name) for name in (first, *more)]


def hgetall(keys: Keyspace, key: bytes) -> Reply:
    return [each for pair in keys.hash(key).items() for each in pair]


def hkeys(keys: Keyspace, key: bytes) -> Reply:
    return list(keys.hash(key))


def hvals(keys: Keyspace, key: bytes) -> Reply:
    return list(keys.hash(key).values())


def hlen(keys: Keyspace, key: bytes) -> Reply:
    return len(keys.hash(key))


def hexists(keys: Keyspace, key: bytes, name: bytes) -> Reply:
    return int(name in keys.hash(key))


def hset(keys: Keyspace, key: bytes, name: bytes, value: bytes, *more: bytes) -> Reply:
    pairs = (name, value, *more)
    if len(pairs) % 2:
        raise Refused("ERR wrong number of arguments for 'hset' command")
    held, before = keys.hash(key), len(keys.hash(key))
    held.update(zip(pairs[::2], pairs[1::2], strict=True))
    keys.keep(key, held)
    return len(held) - before


def hsetnx(keys: Keyspace, key: bytes, name: bytes, value: bytes) -> Reply:
    return 0 if name in keys.hash(key) else hset(keys, key, name, value)


def hincrby(keys: Keyspace, key: bytes, name: bytes, by: bytes) -> Reply:
    added = integer(by)
    value = integer(keys.hash(key).get(name, b"0"), HASH_NO_INTEGER) + added
    if not -INT_MAX - 1 <= value <= INT_MAX:
        raise Refused("ERR increment or decrement would overflow")
    hset(keys, key, name, b"%d" % value)
    return value


def hdel(keys: Keyspace, key: bytes, first: bytes, *more: bytes) -> Reply:
    held = keys.hash(key)
    gone = sum(held.pop(name, None) is not None for name in (first, *more))
    if gone:
        keys.keep(key, held)
    return gone
