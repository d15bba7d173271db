"""How values are written in a configuration: durations, sizes, names, addresses, origins. What is not, is refused."""

from __future__ import annotations

import ipaddress
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, ClassVar, TypeVar
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    PlainSerializer,
    PlainValidator,
)
from pydantic import WithJsonSchema as Schema

from config.faults import Unreadable

T = TypeVar("T")

_DURATION = re.compile(r"([0-9]{1,9})(ms|s|m|h|d)")
_SECONDS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86_400}
_SIZE = re.compile(r"([0-9]{1,9})(B|KiB|MiB|GiB)")
_BYTES = {"B": 1, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30}
# Names stand in paths, metric labels and log lines, where nothing else needs no quoting.
NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")
_HOST = re.compile(r"(?=.{1,253}\Z)(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)*[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
# What a `Host` header may name: underscores stand in names of doors.
HOST_NAME = re.compile(r"(?=.{1,253}\Z)[a-z0-9_](?:[a-z0-9_-]{0,62})(?:\.[a-z0-9_][a-z0-9_-]{0,62})*")
_PORT = re.compile(r"0|[1-9][0-9]{0,4}")

NOT_YET = "not in this version"


class Strict(BaseModel):
    """
    A section of the configuration: frozen, unknown keys refused; `later` names those that a later version knows.
    """

    model_config = ConfigDict(
        frozen=True, extra="forbid", validate_by_name=True, validate_by_alias=True, defer_build=True
    )
    later: ClassVar[frozenset[str]] = frozenset()


Frozen = Annotated[Mapping[str, T], AfterValidator(MappingProxyType)]
"""A mapping that nothing can change after it was read."""


def read_text(written: object) -> str:
    """
    Read text that is not blank. Raises `Unreadable`.
    """
    if not isinstance(written, str):
        raise Unreadable("this must be text", f'put it in quotes: "{written}"' if is_plain(written) else "")
    if not written.strip() or not written.isprintable():
        raise Unreadable("this must be text of one line that is not blank")
    return written


def read_name(written: object) -> str:
    """
    Read a name: small letters, digits, `_` and `-`, at most 63, a letter or digit first. Raises `Unreadable`.
    """
    if not isinstance(written, str) or not NAME.fullmatch(written):
        raise Unreadable(
            f"`{str(written)[:40]}` is not a name", "use small letters, digits, `_` and `-`, at most 63, no sign first"
        )
    return written


def is_plain(written: object) -> bool:
    """
    Tell whether a value is a number or a boolean, which quotes would turn into text.
    """
    return isinstance(written, bool | int | Decimal)


def read_duration(written: object) -> float:
    """
    Read `5s`, `250ms`, `15m`, `1h` or `1d` as seconds. Raises `Unreadable`.

    A float comes from code, never from a file, and is seconds already.
    """
    if isinstance(written, float):
        return written
    if isinstance(written, str) and (match := _DURATION.fullmatch(written)) is not None:
        seconds = int(match[1]) * _SECONDS[match[2]]
        if seconds > 0:
            return float(seconds)
        raise Unreadable("a duration is more than nothing", "write at least `1ms`")
    unit = f"write its unit: `{written}s`" if is_plain(written) else "write `250ms`, `5s`, `15m`, `1h` or `1d`"
    raise Unreadable(f"`{str(written)[:40]}` is not a duration", unit)


def write_duration(seconds: float) -> str:
    """
    Return a duration in the largest unit that needs no fraction.
    """
    millis = round(seconds * 1000)
    unit, size = next(
        (unit, 1000 * size) for unit, size in (("m", 60), ("s", 1), ("ms", 0.001)) if millis % (1000 * size) == 0
    )
    return f"{round(millis / size)}{unit}"


def read_size(written: object) -> int:
    """
    Read bytes: a whole number, or one with `KiB`, `MiB` or `GiB`. Raises `Unreadable`.
    """
    if isinstance(written, int) and not isinstance(written, bool):
        return written
    if isinstance(written, str) and (match := _SIZE.fullmatch(written)) is not None:
        return int(match[1]) * _BYTES[match[2]]
    raise Unreadable(f"`{str(written)[:40]}` is not a size", "write bytes, or `64KiB`, `1MiB`, `2GiB`")


def read_whole(written: object) -> int:
    """
    Read a whole number. Raises `Unreadable`.
    """
    if isinstance(written, int) and not isinstance(written, bool):
        return written
    raise Unreadable("this must be a whole number", "write digits without quotes, sign or point")


@dataclass(frozen=True, slots=True)
class Address:
    """
    Where a door listens: an IP address literal and a port; port 0 takes a free one.
    """

    host: str
    port: int

    def __str__(self) -> str:
        """
        Return the address as it is written.
        """
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class UnixSocket:
    """
    Where a door listens, or an API answers, on this machine alone: a socket's path.
    """

    path: str

    def __str__(self) -> str:
        """
        Return the socket as it is written.
        """
        return f"unix:{self.path}"

    def within(self, folder: Path) -> UnixSocket:
        """
        Return the socket with its path made absolute; a relative one is relative to `folder`.
        """
        return UnixSocket(os.path.normpath((folder / self.path).absolute()))


def read_socket(written: str) -> UnixSocket:
    """
    Read `unix:/run/breakwater/stripe.sock`. Raises `Unreadable`.
    """
    path = written.removeprefix("unix:")
    if path.startswith("@"):
        raise Unreadable("a socket without a file has no owner and no mode", "write the path of a file")
    if not path.strip() or not path.isprintable() or path.endswith("/"):
        raise Unreadable("`unix:` is followed by a socket's path", "write `unix:/run/breakwater/stripe.sock`")
    return UnixSocket(path)


def read_address(written: object) -> Address | UnixSocket:
    """
    Read `127.0.0.1:8001`, `[::1]:8001` or `unix:/run/breakwater/stripe.sock`. Raises `Unreadable`.
    """
    if isinstance(written, Address | UnixSocket):
        return written
    if not isinstance(written, str):
        meant = written if isinstance(written, int) and not isinstance(written, bool) else 8001
        raise Unreadable("this must be an address and a port", f"write `127.0.0.1:{meant}`")
    if written.startswith("unix:"):
        return read_socket(written)
    host, colon, port = written.rpartition(":")
    if not colon or not _PORT.fullmatch(port) or int(port) > 65_535:
        raise Unreadable(f"`{written[:80]}` is no address and port", "write `127.0.0.1:8001`; port 0 takes a free one")
    literal = address_literal(host)
    if literal is None:
        hint = f"write `127.0.0.1:{port}`, or `0.0.0.0:{port}` for every address"
        raise Unreadable(f"`{host[:80]}` is no IP address", hint)
    return Address(literal, int(port))


def address_literal(host: str) -> str | None:
    """
    Return the address that a literal (IPv6 in brackets) stands for, in its one spelling, or None for a name.
    """
    bracketed = host.startswith("[") and host.endswith("]")
    try:
        address = ipaddress.ip_address(host[1:-1] if bracketed else host)
    except ValueError:
        return None
    return str(address) if (address.version == 6) == bracketed and "%" not in host else None


@dataclass(frozen=True, slots=True)
class Origin:
    """
    Where an API answers: scheme, host, port; `literal` tells that the host is an address, which is dialled as written.
    """

    scheme: str
    host: str
    port: int
    literal: bool

    def __str__(self) -> str:
        """
        Return the origin without a port that goes without saying.
        """
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}" + ("" if self.port == _DEFAULT_PORT[self.scheme] else f":{self.port}")


_DEFAULT_PORT = {"https": 443, "http": 80}


def read_origin(written: object) -> Origin | UnixSocket:
    """
    Read `https://api.example.com`, `http://127.0.0.1:8000` or `unix:/run/api.sock`. Raises `Unreadable`.

    A name is dialled with TLS only: the credential would cross the network in the clear.
    """
    if isinstance(written, Origin | UnixSocket):
        return written
    if isinstance(written, str) and written.startswith("unix:"):
        return read_socket(written)
    return _origin(*_origin_parts(written))


def _origin_parts(written: object) -> tuple[str, str, int | None]:
    if not isinstance(written, str):
        raise Unreadable("an origin is text", "write `https://api.example.com`")
    scheme, separator, rest = written.partition("://")
    if not separator or scheme not in _DEFAULT_PORT or not rest.isascii() or not rest.isprintable():
        raise Unreadable("this must be an origin of http or https", "write `https://api.example.com`")
    try:
        parts = urlsplit(written)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        raise Unreadable("this origin cannot be read", "write `https://api.example.com`") from None
    if "@" in rest:
        raise Unreadable("an origin carries no user or password", "write the credential under `credential`")
    if re.search(r"[/?#\\]", rest):
        raise Unreadable("an origin stands without a path or a query", f"write `{scheme}://{parts.netloc}`")
    if port == 0 or written.endswith(":"):
        raise Unreadable("an origin's port is from 1 to 65535", "leave the port out for the scheme's own")
    return scheme, host, port


def _origin(scheme: str, host: str, port: int | None) -> Origin:
    literal = address_literal(f"[{host}]" if ":" in host else host)
    if literal is None and not _HOST.fullmatch(host):
        raise Unreadable(f"`{host[:80]}` is no host", "write `https://api.example.com`")
    if literal is None and re.fullmatch(r"[0-9.]+|0x.*", host.rpartition(".")[2]):
        raise Unreadable(f"`{host[:80]}` is an address in disguise", "write four decimal numbers: `127.0.0.1`")
    if host == "localhost" or host.endswith(".localhost"):
        right = f"{scheme}://127.0.0.1{f':{port}' if port else ''}"
        raise Unreadable("a name is never dialled at a loopback address", f"write `{right}`")
    if literal is None and scheme == "http":
        hint = f"write `https://{host}`, or the address itself"
        raise Unreadable("over plain http the credential would cross the network in the clear", hint)
    return Origin(scheme, literal or host, port or _DEFAULT_PORT[scheme], literal is not None)


def read_web_origin(written: object) -> Origin:
    """
    Read an origin that answers may name and nobody dials: `https://github.example.com`. Raises `Unreadable`.
    """
    if isinstance(written, Origin):
        return written
    scheme, host, port = _origin_parts(written)
    literal = address_literal(f"[{host}]" if ":" in host else host)
    if literal is None and not _HOST.fullmatch(host):
        raise Unreadable(f"`{host[:80]}` is no host", "write `https://api.example.com`")
    return Origin(scheme, literal or host, port or _DEFAULT_PORT[scheme], literal is not None)


def read_host(written: object) -> str:
    """
    Read a host as a `Host` header names it, without a port: `github.internal`. Raises `Unreadable`.
    """
    if not isinstance(written, str) or not HOST_NAME.fullmatch(written):
        raise Unreadable(
            f"`{str(written)[:80]}` is no host", "write a name in small letters, without a port: `github.internal`"
        )
    return written


_STRING = {"type": "string"}

Text = Annotated[str, BeforeValidator(read_text)]
Whole = Annotated[int, BeforeValidator(read_whole)]
Name = Annotated[str, BeforeValidator(read_name)]
Seconds = Annotated[
    float,
    PlainValidator(read_duration),
    PlainSerializer(write_duration, return_type=str),
    Schema({**_STRING, "pattern": f"^{_DURATION.pattern}$", "examples": ["5s", "15m"]}),
]
Size = Annotated[
    int,
    BeforeValidator(read_size),
    Schema({"anyOf": [{"type": "integer"}, {**_STRING, "pattern": f"^{_SIZE.pattern}$"}], "examples": ["1MiB"]}),
]
At = Annotated[
    Address | UnixSocket,
    PlainValidator(read_address),
    PlainSerializer(str, return_type=str),
    Schema({**_STRING, "examples": ["127.0.0.1:8001", "[::1]:0", "unix:/run/breakwater/stripe.sock"]}),
]
HostName = Annotated[str, BeforeValidator(read_host)]
WebOrigin = Annotated[
    Origin,
    PlainValidator(read_web_origin),
    PlainSerializer(str, return_type=str),
    Schema({**_STRING, "examples": ["https://github.example.com"]}),
]
Upstream = Annotated[
    Origin | UnixSocket,
    PlainValidator(read_origin),
    PlainSerializer(str, return_type=str),
    Schema({**_STRING, "examples": ["https://api.example.com", "http://127.0.0.1:8000", "unix:/run/api.sock"]}),
]
