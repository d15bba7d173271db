"""
What Breakwater let out during a test, searched for secrets when the test has ended.

Bytes from its doors, outputs and logs wait until then, because only then is every secret known that the test met: the
run's mark, agents' keys, and what lies in the state folders (operators' tokens, key rings). Files are all those below
pytest's temporary folders. A secret may stand in its own file and nowhere else, an agent's key in the one answer that
minted it.
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import re
import socket
import stat
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

from proxy.keys import KEY_PREFIX
from tests.canary.forms import MARK, forms, unpacked

_KEY = re.compile(re.escape(KEY_PREFIX).encode() + rb"[a-z2-7]{8}_([a-z2-7]{52})")

# A long run of calls is searched before its end, so that it is not all held; a secret over two pieces is still found.
_HELD_MAX = 16 * 1024 * 1024
_PIECE = 4 * 1024 * 1024
_OVERLAP = 512

# What is shorter was put there by a test that damages the file.
_SECRET_BYTES_MIN = 16

Alive = Callable[[], bool]


def until_the_end() -> bool:
    """
    Tell that something is over when its test or module is.
    """
    return False


@dataclass(slots=True, eq=False)
class Known:
    """
    One secret, where it may stand, and whether it outlives the test that met it.
    """

    name: str
    homes: set[str]
    alive: Alive


@dataclass(slots=True)
class Stream:
    """
    What came from one place; `mints` where an operator may be given an agent's new key.
    """

    where: str
    mints: bool
    alive: Alive
    data: bytearray = field(default_factory=bytearray)


class Since(NamedTuple):
    """
    How much there was when a test or a module began.
    """

    known: int
    doors: int
    folders: int


class Watch:
    """
    Everything that is searched, and what was found.
    """

    def __init__(self) -> None:
        self.hits: list[str] = []
        self.counts = {"secrets": 0, "forms": 0, "files": 0, "bytes": 0}
        self._mark = Known("a secret", set(), lambda: True)
        self._known: dict[bytes, Known] = {}
        self._forms: dict[bytes, tuple[Known, str]] = {}
        self._minted: set[bytes] = set()
        self._doors: dict[object, Stream] = {}
        self._dialled: WeakKeyDictionary[socket.socket, Stream] = WeakKeyDictionary()
        self._streams: list[Stream] = []
        self._held = 0
        self._folders: list[Path] = []
        self._read: dict[str, tuple[int, int]] = {}
        self._learn(MARK.encode(), self._mark)

    # ------------------------------------------------------------------------------------------- what is told to it

    def follow(self, doors: Mapping[str, str], state: Path, alive: Alive = until_the_end) -> None:
        """
        Read along at the doors of a Breakwater that has begun to serve, and learn what its state folder hides.
        """
        for name, url in doors.items():
            host, _, port = url.removeprefix("http://").rpartition(":")
            at = url.removeprefix("unix:") if url.startswith("unix:") else (host, int(port))
            self._doors[at] = Stream(f"an answer from door {name!r}", name == "admin", alive)
        for path in (state / "admin.token", state / "keyring"):
            self._learn_from(path, alive)

    def shown(self, where: str, data: str | bytes, *, mints: bool = False, alive: Alive = until_the_end) -> None:
        """
        Take what was printed, logged or answered.
        """
        raw = data.encode("utf-8", "surrogateescape") if isinstance(data, str) else data
        if raw:
            self._streams.append(Stream(where, mints, alive, bytearray(raw)))

    def minted(self, key: str, alive: Alive = until_the_end) -> None:
        """
        Learn an agent's key.
        """
        self._minted.add(key.encode())
        self._learn(key.rpartition("_")[2].encode(), Known("an agent's key", set(), alive))

    def may_hold(self, path: Path) -> None:
        """
        Let a file hold a secret, because the test itself puts it there.
        """
        self._mark.homes.add(str(path))

    def folder(self, path: Path) -> None:
        """
        Search a folder, too.
        """
        self._folders.append(path)

    def dialled(self, sock: socket.socket, address: object) -> None:
        """
        Read along on a connection, if it leads to a door.
        """
        door = self._doors.get(address[:2] if isinstance(address, tuple) else address)
        if door is not None:
            self._dialled[sock] = stream = Stream(door.where, door.mints, door.alive)
            self._streams.append(stream)

    def received(self, sock: socket.socket, data: bytes | memoryview) -> None:
        """
        Take what a client received.
        """
        stream = self._dialled.get(sock)
        if stream is not None and data:
            stream.data += data
            self._held += len(data)
            if self._held > _HELD_MAX:
                self._search_streams()

    # ------------------------------------------------------------------------------------------------ what it does

    def since(self) -> Since:
        """
        Return how much there is now.
        """
        return Since(len(self._known), len(self._doors), len(self._folders))

    def search(self, since: Since, *, forget: bool) -> list[str]:
        """
        Search what is new, forget what has ended, and return the hits; `forget` the folders too.
        """
        files = list(_files(self._folders[since.folders :]))
        for path, _ in files:
            self._learn_from(Path(path), until_the_end)
        self._search_streams()
        for path, stood in files:
            if self._read.get(path) != stood:
                self._search_file(path)
                if not forget:
                    self._read[path] = stood
        if forget:
            del self._folders[since.folders :]
        self._known = _kept(self._known, since.known)
        self._doors = _kept(self._doors, since.doors)
        self._forms = {form: found for form, found in self._forms.items() if found[0] in self._known.values()}
        hits, self.hits = self.hits, []
        return hits

    def _learn(self, raw: bytes, known: Known) -> None:
        if raw in self._known:
            self._known[raw].homes |= known.homes
            return
        self._known[raw] = known
        spelled = forms(raw)
        self._forms |= {form: (known, name) for form, name in spelled.items()}
        self.counts["secrets"] += 1
        self.counts["forms"] += len(spelled)

    def _learn_from(self, path: Path, alive: Alive) -> None:
        if path.name not in {"admin.token", "keyring"}:
            return
        # One that a test cut short or wrote itself hides nothing.
        with contextlib.suppress(OSError, ValueError, KeyError, AttributeError):
            if path.name == "admin.token":
                found = {"an operator's token": path.read_bytes().strip()}
            else:
                ring = json.loads(path.read_bytes())["secrets"]
                found = {f"secret {version} of a key ring": base64.b64decode(text) for version, text in ring.items()}
            for name, raw in found.items():
                if len(raw) >= _SECRET_BYTES_MIN:
                    self._learn(raw, Known(name, {str(path)}, alive))

    def _search_streams(self) -> None:
        for stream in self._streams:
            data = bytes(stream.data)
            for key in _KEY.finditer(data):
                if stream.mints and key[0] not in self._minted:
                    self.minted(key[0].decode(), stream.alive)
                    data = data.replace(key[0], b"(minted here)", 1)
                else:
                    self.hits.append(f"an agent's key in {stream.where}")
            self._find(data, stream.where)
            stream.data[:] = data[-_OVERLAP:]
        # What a connection has still to give.
        self._streams, self._held = list(self._dialled.values()), 0

    def _search_file(self, path: str) -> None:
        with contextlib.suppress(OSError), Path(path).open("rb") as file:
            self.counts["files"] += 1
            before = b""
            while piece := file.read(_PIECE):
                # The reserve is room and nothing else.
                if piece.strip(b"\0"):
                    self._find(before + piece, path)
                before = piece[-_OVERLAP:]

    def _find(self, data: bytes, where: str) -> None:
        for layer in unpacked(data):
            self.counts["bytes"] += len(layer)
            for form, (known, spelling) in self._forms.items():
                if form in layer and where not in known.homes:
                    self.hits.append(f"{known.name}, {spelling}, in {where} at byte {layer.index(form)}")


def _kept(found: dict[Any, Any], count: int) -> dict[Any, Any]:
    return {key: one for number, (key, one) in enumerate(found.items()) if number < count or one.alive()}


def _files(folders: list[Path]) -> Iterator[tuple[str, tuple[int, int]]]:
    for folder in folders:
        for place, _, names in os.walk(folder):
            for path in (os.path.join(place, name) for name in names):
                with contextlib.suppress(OSError):
                    found = os.lstat(path)
                    if stat.S_ISREG(found.st_mode):
                        yield path, (found.st_size, found.st_mtime_ns)
