"""
The shipped scripts, run by Lua 5.1 as Redis runs them.

Scripts see `KEYS`, `ARGV`, `redis` and `cjson`; a global that they make, a command that the model does not know, and a
key that was not declared to them are errors. What they pass to commands and return is turned into replies by Redis'
own rules: a number loses its fraction, `false` is nothing, a table ends at its first nothing.

One runtime serves every model of a process, because a script can leave nothing behind in it.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Sequence
from typing import Any

from lupa import lua51  # type: ignore[import-untyped]

from tests.sim.redis_commands import COMMANDS, carried
from tests.sim.redis_data import Keyspace, Refused, Reply, Status

# What stands around a script: its own `KEYS` and `ARGV`, and no globals.
_SANDBOX = b"""
local make_table, error_of, status_of, decode, encode, do_call = ...
local redis = {LOG_WARNING = 3, LOG_NOTICE = 2}
function redis.call(...) return do_call(true, ...) end
function redis.pcall(...) return do_call(false, ...) end
function redis.error_reply(text) return {err = text} end
function redis.status_reply(text) return {ok = text} end
function redis.sha1hex() error('the model has no sha1hex') end
function redis.log() end
local cjson = {decode = decode, encode = encode, null = make_table}
local allowed = {
  redis = redis, cjson = cjson, string = string, table = table, math = math, pairs = pairs, ipairs = ipairs,
  tonumber = tonumber, tostring = tostring, type = type, unpack = unpack, select = select, error = error,
  pcall = pcall, assert = assert, next = next, setmetatable = setmetatable, rawget = rawget,
}
local around = {
  __index = function(_, key)
    local found = allowed[key]
    if found == nil then error("Script attempted to access nonexistent global variable '" .. key .. "'", 2) end
    return found
  end,
  __newindex = function(_, key) error("Script attempted to create global variable '" .. key .. "'", 2) end,
}
return function(text, name)
  local chunk, wrong = loadstring(text, name)
  if not chunk then error(wrong, 0) end
  return function(keys, argv)
    setfenv(chunk, setmetatable({KEYS = keys, ARGV = argv}, around))
    return chunk()
  end
end
"""


class Lua:
    """
    The runtime, the scripts that it has compiled, and the keyspace of the script that runs.
    """

    def __init__(self) -> None:
        self._lua = lua51.LuaRuntime(encoding=None, unpack_returned_tuples=True, register_eval=False)
        self._table = self._lua.table_from
        self._keys: Keyspace | None = None
        self._declared: frozenset[bytes] = frozenset()
        self._refuses: Callable[[bytes], None] | None = None
        begin = self._lua.compile(_SANDBOX)
        self._compile = begin(object(), None, None, self._decoded, self._encoded, self._called)
        self._chunks: dict[bytes, Any] = {}

    def run(
        self,
        text: bytes,
        keys: Sequence[bytes],
        arguments: Sequence[bytes],
        space: Keyspace,
        refuses: Callable[[bytes], None] | None = None,
    ) -> Reply:
        """
        Run a script over a keyspace. Raise `Refused` where it, or a command of it, fails, or `refuses` it.
        """
        chunk = self._chunks.get(text)
        self._keys, self._declared, self._refuses = space, frozenset(keys), refuses
        try:
            if chunk is None:
                chunk = self._chunks[text] = self._compile(text, b"@user_script")
            said = chunk(self._table(keys), self._table(arguments))
        except Refused as refused:
            raise Refused(f"ERR Error running script: {refused}") from None
        except lua51.LuaError as error:
            raise Refused(f"ERR Error running script: {error}") from None
        finally:
            self._keys = None
        return self._reply(said)

    def _called(self, raises: bool, name: bytes, *arguments: Any) -> Any:
        assert self._keys is not None
        told = [each if type(each) is bytes else _spelled(each) for each in arguments]
        try:
            command = COMMANDS.get(name)
            for key in command.named(told) if command is not None else ():
                if key not in self._declared:
                    raise Refused(f"ERR Script attempted to access a non local key in a cluster node ({key.decode()})")
            if self._refuses is not None:
                self._refuses(name)
            return self._for_lua(carried(self._keys, name, told))
        except Refused as refused:
            if raises:
                raise
            return self._table({b"err": str(refused).encode()})

    def _for_lua(self, reply: Reply) -> Any:
        if type(reply) is bytes or type(reply) is int:
            return reply
        if reply is None:
            return False
        if type(reply) is list:
            return self._table([False if each is None else each for each in reply])
        assert isinstance(reply, Status)
        return self._table({b"ok": bytes(reply)})

    def _reply(self, said: Any) -> Reply:
        if type(said) is bytes:
            return said
        if said is None or said is False:
            return None
        if said is True:
            return 1
        if isinstance(said, int | float):
            return int(said)
        if (word := said[b"err"]) is not None:
            raise Refused(word.decode())
        if (word := said[b"ok"]) is not None:
            return Status(word)
        found: list[Reply] = []
        while (each := said[len(found) + 1]) is not None:
            found.append(self._reply(each))
        return found

    def _decoded(self, text: bytes) -> Any:
        try:
            return self._decoded_value(json.loads(text))
        except ValueError as error:
            raise Refused(f"Expected value but found invalid token ({error})") from None

    def _decoded_value(self, value: Any) -> Any:
        match value:
            case str():
                return value.encode()
            case list():
                # A member that is null is there, and is no string: scripts only ask for its type.
                return self._table([_NULL if each is None else self._decoded_value(each) for each in value])
            case dict():
                return self._table({key.encode(): self._decoded_value(each) for key, each in value.items()})
            case None:
                return _NULL
            case _:
                return value

    def _encoded(self, value: Any) -> Any:
        raise Refused("the model has no cjson.encode")


class _Null:
    """What JSON's null is to a script: something that is no string."""


_NULL = _Null()


def _spelled(value: Any) -> bytes:
    """
    Return an argument of a command as Redis spells what Lua gave it.
    """
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise Refused("ERR Lua redis() command arguments must be strings or integers")
    return b"%d" % int(value) if float(value).is_integer() and abs(value) < 1e17 else b"%.17g" % value


@functools.cache
def lua() -> Lua:
    """
    Return the runtime of this process.
    """
    return Lua()
