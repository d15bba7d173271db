"""
What Breakwater let out during a test, searched for secrets when the test has ended.

What came from its doors and what was printed or logged waits until then, because only then is every secret known that
the test met: the run's mark, agents' keys, and what state folders hide (operators' tokens, key rings). Files are all
those below pytest's temporary folders. A secret may stand in the file that is its home and nowhere else, an agent's key
in the one answer that minted it.
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import re
import socket
import stat
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Protocol, TypeVar
from weakref import WeakKeyDictionary, WeakSet

from proxy.keys import KEY_PREFIX, OPERATOR_PREFIX
from tests.canary.forms import MARK, forms, unpacked

# An agent's key, an operator's token, or a task token.
_KEY = re.compile(
    f"(?:{KEY_PREFIX}|{OPERATOR_PREFIX})".encode() + rb"[a-z2-7]{8}_[a-z2-7]{52}|bw1_[a-z0-9]{1,8}_[A-Za-z0-9_-]{64,}"
)

# A long run of calls is searched before its end, so that it is not all held; a secret over two pieces is still found.
_HELD_MAX = 16 * 1024 * 1024
_PIECE = 4 * 1024 * 1024
_OVERLAP = 512

# What is shorter is no secret of ours: a test damages the file that should hold one.
_SECRET_BYTES_MIN = 16


Key = TypeVar("Key")
Value = TypeVar("Value")


class Disk(Protocol):
    """
    A disk in memory.
    """

    def tree(self) -> dict[str, bytes]:
        """
        Return every file's content by its path.
        """


@dataclass(frozen=True, eq=False, slots=True)
class Known:
    """
    A secret by what it is, and the files in which it may stand.
    """

    name: str
    homes: set[str] = field(default_factory=set)


@dataclass(eq=False, slots=True)
class Stream:
    """
    Bytes from one place; `mints` where an operator may be given an agent's new key.
    """

    where: str
    mints: bool
    data: bytearray = field(default_factory=bytearray)


class Watch:
    """
    Everything that is searched and searched for; what a test adds to it is forgotten when the test has ended.
    """

    def __init__(self) -> None:
        self.counts = Counter(secrets=0, forms=0, files=0, bytes=0)
        self.disks: WeakSet[Disk] = WeakSet()
        self._mark = Known("a secret")
        self._known: dict[bytes, Known] = {}
        self._forms: dict[bytes, tuple[Known, str]] = {}
        self._doors: dict[object, tuple[str, bool]] = {}
        # In the order in which they were followed: a port may have been another's before.
        self._followed: list[object] = []
        self._folders: dict[Path, None] = {}
        self._dialled: WeakKeyDictionary[socket.socket, Stream] = WeakKeyDictionary()
        self._streams: list[Stream] = []
        self._held = 0
        self._searched: dict[str, tuple[int, int]] = {}
        self._hits: set[str] = set()
        self._learn(MARK.encode(), self._mark)

    def follow(self, doors: Mapping[str, str], state: Path) -> None:
        """
        Read along at the doors of a Breakwater that serves now, and learn what its state folder hides.
        """
        for name, url in doors.items():
            self._doors[_address(url)] = f"an answer at door {name!r}", name == "admin"
            self._followed.append(_address(url))
        self._learn_homes([str(state / "admin.token"), str(state / "keyring")])

    def leave(self, doors: Mapping[str, str]) -> None:
        """
        Read along no more at the doors of a Breakwater that has ended: anybody may be given their ports.
        """
        for url in doors.values():
            self._doors.pop(_address(url), None)

    def shown(self, where: str, data: str, *, mints: bool = False) -> None:
        """
        Take what was printed, logged or answered.
        """
        self._streams.append(Stream(where, mints, bytearray(data.encode("utf-8", "surrogatepass"))))

    def minted(self, key: str) -> None:
        """
        Learn an agent's key or task token.
        """
        self._learn(_hidden(key.encode()), Known("an agent's key"))

    def may_hold(self, path: Path) -> None:
        """
        Let a file hold a secret, because the test itself puts it there.
        """
        self._mark.homes.add(str(path))

    def folder(self, path: Path) -> None:
        """
        Take whatever will be in a folder.
        """
        self._folders[path] = None

    def dialled(self, sock: socket.socket, address: object) -> None:
        """
        Read along on a client's connection, where it leads to a door.
        """
        door = self._doors.get(address[:2] if isinstance(address, tuple) else address)
        if door is not None:
            self._dialled[sock] = stream = Stream(*door)
            self._streams.append(stream)

    def received(self, sock: socket.socket, data: bytes | memoryview) -> None:
        """
        Take what came over a connection.
        """
        stream = self._dialled.get(sock)
        if stream is not None:
            stream.data += data
            self._held += len(data)
            if self._held > _HELD_MAX:
                self._search_streams()

    def since(self) -> tuple[int, int, int]:
        """
        Return how much there is when a test begins.
        """
        return len(self._known), len(self._followed), len(self._folders)

    def search(self, known: int, doors: int, folders: int, *, forget: bool) -> list[str]:
        """
        Search what there is since then, and return where a secret stands that must not; then forget all of it, if told.
        """
        files = dict(_files(islice(self._folders, folders, None)))
        self._learn_homes(files)
        self._search_streams()
        for path, stood in files.items():
            if self._searched.get(path) != stood:
                self._search_file(path)
        for disk in list(self.disks):
            for path, data in disk.tree().items():
                self._find(data, path)
        self.disks.clear()
        if forget:
            for address in self._followed[doors:]:
                # Whoever did not say that it has left has left by now.
                self._doors.pop(address, None)
            del self._followed[doors:]
            self._known, self._folders = _first(self._known, known), _first(self._folders, folders)
            kept = set(self._known.values())
            self._forms = {form: of for form, of in self._forms.items() if of[0] in kept}
        else:
            self._searched |= files
        hits, self._hits = self._hits, set()
        return sorted(hits)

    def _learn(self, raw: bytes, known: Known) -> None:
        here = self._known.setdefault(raw, known)
        here.homes.update(known.homes)
        if here is known:
            spelled = forms(raw)
            self._forms |= {form: (known, name) for form, name in spelled.items()}
            self.counts.update(secrets=1, forms=len(spelled))

    def _learn_homes(self, paths: Iterable[str]) -> None:
        for path in paths:
            # One that a test cut short or made up hides nothing.
            with contextlib.suppress(OSError, ValueError, LookupError, TypeError, AttributeError):
                raw: list[bytes] = []
                if path.endswith("/admin.token"):
                    raw = [Path(path).read_bytes().strip()]
                elif path.endswith("/keyring"):
                    raw = [base64.b64decode(text) for text in json.loads(Path(path).read_bytes())["secrets"].values()]
                for secret in raw:
                    if len(secret) >= _SECRET_BYTES_MIN:
                        self._learn(secret, Known(f"the secret of {path}", {path}))

    def _search_streams(self) -> None:
        for stream in self._streams:
            data, found = bytes(stream.data), len(self._hits)
            for key in _KEY.findall(data) if stream.mints else ():
                if _hidden(key) not in self._known:
                    self.minted(key.decode())
                    data = data.replace(key, b"(minted here)", 1)
            self._find(data, stream.where)
            # Whoever comes next on this connection is not blamed for it.
            stream.data[:] = data[-_OVERLAP:] if found == len(self._hits) else b""
        # What has more to give is a connection.
        self._streams, self._held = list(self._dialled.values()), 0

    def _search_file(self, path: str) -> None:
        with contextlib.suppress(OSError), Path(path).open("rb") as file:
            self.counts["files"] += 1
            before = b""
            while piece := file.read(_PIECE):
                # The ledger's reserve is room and nothing else.
                if piece.strip(b"\0"):
                    self._find(before + piece, path)
                before = piece[-_OVERLAP:]

    def _find(self, data: bytes, where: str) -> None:
        for layer in unpacked(data):
            self.counts["bytes"] += len(layer)
            for form, (known, spelling) in self._forms.items():
                if form in layer and where not in known.homes:
                    self._hits.add(f"{known.name}, {spelling}, in {where}")
            if _KEY.search(layer):
                self._hits.add(f"an agent's key in {where}")


def _hidden(key: bytes) -> bytes:
    """
    Return the part of a key or a token that nobody may see: what stands behind its prefix and its public id.
    """
    prefixes = (KEY_PREFIX.encode(), OPERATOR_PREFIX.encode(), b"bw1_")
    return key.partition(next(prefix for prefix in prefixes if prefix in key))[2].partition(b"_")[2]


def _first(found: dict[Key, Value], count: int) -> dict[Key, Value]:
    return dict(islice(found.items(), count))


def _files(folders: Iterable[Path]) -> Iterator[tuple[str, tuple[int, int]]]:
    for folder in folders:
        for place, _, names in os.walk(folder):
            for name in names:
                with contextlib.suppress(OSError):
                    found = os.lstat(path := f"{place}/{name}")
                    if stat.S_ISREG(found.st_mode):
                        yield path, (found.st_size, found.st_mtime_ns)


def _address(url: str) -> object:
    host, _, port = url.removeprefix("http://").rpartition(":")
    return url.removeprefix("unix:") if url.startswith("unix:") else (host, int(port))
