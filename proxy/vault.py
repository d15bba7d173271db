r"""
The vault: real credentials sealed in the state folder, one file for each version of each.

A version is sealed under a data key of its own, and that key is wrapped under a label of the key ring. Both are bound
to name and version, so a file that was renamed, swapped or changed in one bit does not open. A file is there whole or
not at all: it is written under another name, made durable, and renamed.

    STATE/vault/stripe@3

    file   := "BWVLT01\n" | u64 at | u32 ring | nonce[12] wrapped[48] | nonce[12] sealed
    wrapped = AES-256-GCM(KEK[ring], key, aad = "bw/v1/vault" 00 "key" 00 name 00 version)
    sealed  = AES-256-GCM(key, secret,   aad = "bw/v1/vault" 00 "secret" 00 name 00 version 00 u64 at)

`at` is the microsecond since 1970 in which it was sealed; `ring` the version of the key ring, KEK its key for the label
`vault`. What is said of a file that does not open names the version and nothing of its content.
"""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from config.written import NAME
from proxy.clock import Randomness
from proxy.errors import StartRefused
from proxy.ledger.disk import Disk, make_durable_folder, write_whole
from proxy.ledger.keyring import VAULT, KeyRing
from proxy.secret import Secret

MAGIC = b"BWVLT01\n"

KEY_BYTES = 32
NONCE_BYTES = 12
TAG_BYTES = 16

_HEAD = struct.Struct(">8sQI")
_WRAP_BYTES = NONCE_BYTES + KEY_BYTES + TAG_BYTES
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

# Nine digits: more rotations than any machine makes, and one spelling for each number.
_FILE = re.compile(rf"({NAME.pattern})@([1-9][0-9]{{0,8}})")
_DRAFT = re.compile(rf"{_FILE.pattern}\.new")


@dataclass(frozen=True, slots=True, order=True)
class Version:
    """
    One version of a sealed credential.
    """

    name: str
    number: int

    @property
    def ref(self) -> str:
        """
        Return what it is called on record, which is also its file's name.
        """
        return f"{self.name}@{self.number}"


class Vault:
    """
    The sealed files of one state folder; whoever changes them holds the folder's lock.
    """

    def __init__(self, folder: Path, disk: Disk, ring: KeyRing, randomness: Randomness) -> None:
        self._folder, self._disk, self._ring, self._randomness = folder, disk, ring, randomness

    def __repr__(self) -> str:
        return f"Vault({len(self.stored())} versions)"

    def stored(self) -> tuple[Version, ...]:
        """
        Return the versions that have a file, whether or not it opens, oldest of each name first.
        """
        return stored_in(self._disk, self._folder)

    def seal(self, version: Version, at: datetime, secret: Secret) -> None:
        """
        Seal a version that has no file yet; it is durable when this returns.
        """
        if self._disk.exists(self._path(version)):
            raise FileExistsError(f"{version.ref} is sealed already")
        key, micros = self._randomness(KEY_BYTES), (at - _EPOCH) // timedelta(microseconds=1)
        nonce = self._randomness(NONCE_BYTES)
        sealed = AESGCM(key).encrypt(nonce, secret.reveal().encode(), _bound("secret", version, micros))
        make_durable_folder(self._disk, self._folder)
        self._write(version, self._head(version, micros, key) + nonce + sealed)

    def open(self, version: Version) -> Secret:
        """
        Return what was sealed; raise `StartRefused` where its file does not open.
        """
        what = f"version {version.number} of '{version.name}' in the vault"
        hint = f"restore its file from your copy, or seal a new version: `breakwater vault rotate {version.name}`"
        try:
            micros, key, rest = self._opened(version)
            nonce, sealed = rest[:NONCE_BYTES], rest[NONCE_BYTES:]
            return Secret(AESGCM(key).decrypt(nonce, sealed, _bound("secret", version, micros)).decode())
        except OSError as error:
            raise StartRefused(f"{what} cannot be read: {error.strerror}", hint) from None
        except (InvalidTag, KeyError, ValueError, struct.error):
            # Nothing of the fault goes into the message, and no cause: what a frame held may be half a secret.
            raise StartRefused(f"{what} does not open: its file is not what was sealed", hint) from None

    def sealed_at(self, version: Version) -> datetime | None:
        """
        Return when a version says that it was sealed, or None where its file says nothing; only opening proves it.
        """
        try:
            _, micros, _ = _HEAD.unpack_from(self._disk.read(self._path(version)))
            return _EPOCH + timedelta(microseconds=micros)
        except (OSError, struct.error, OverflowError):
            return None

    def destroy(self, version: Version) -> None:
        """
        Remove a version's file, if it has one; that it is gone is durable when this returns.
        """
        self._disk.remove(self._path(version))
        if self._disk.exists(self._folder):
            self._disk.sync_folder(self._folder)

    def tend(self) -> None:
        """
        Remove what a stop left half written, and wrap under the ring's current version what is under an older one.

        Where it is cut short both versions of the ring open their files; the next time goes on.
        """
        for name in self._disk.names(self._folder):
            if _DRAFT.fullmatch(name):
                self._disk.remove(self._folder / name)
        for version in self.stored():
            self._rewrap(version)

    def _rewrap(self, version: Version) -> None:
        try:
            micros, key, rest = self._opened(version)
        except (InvalidTag, KeyError, ValueError, struct.error):
            # Whoever needs it is told so when it is opened.
            return
        if self._ring_of(version) != self._ring.current:
            self._write(version, self._head(version, micros, key) + rest)

    def _opened(self, version: Version) -> tuple[int, bytes, bytes]:
        content = self._disk.read(self._path(version))
        magic, micros, ring = _HEAD.unpack_from(content)
        if magic != MAGIC:
            raise ValueError("this is no sealed credential")
        wrap, rest = content[_HEAD.size : _HEAD.size + _WRAP_BYTES], content[_HEAD.size + _WRAP_BYTES :]
        kek = AESGCM(self._ring.key(VAULT, ring))
        return micros, kek.decrypt(wrap[:NONCE_BYTES], wrap[NONCE_BYTES:], _bound("key", version)), rest

    def _ring_of(self, version: Version) -> int:
        return int(_HEAD.unpack_from(self._disk.read(self._path(version)))[2])

    def _head(self, version: Version, micros: int, key: bytes) -> bytes:
        nonce = self._randomness(NONCE_BYTES)
        wrapped = AESGCM(self._ring.key(VAULT)).encrypt(nonce, key, _bound("key", version))
        return _HEAD.pack(MAGIC, micros, self._ring.current) + nonce + wrapped

    def _write(self, version: Version, content: bytes) -> None:
        write_whole(self._disk, self._path(version), content, 0o600)

    def _path(self, version: Version) -> Path:
        return self._folder / version.ref


def stored_in(disk: Disk, folder: Path) -> tuple[Version, ...]:
    """
    Return the versions that have a file in a vault's folder, oldest of each name first; it needs neither keys nor lock.
    """
    found = map(_FILE.fullmatch, disk.names(folder))
    return tuple(sorted(Version(match[1], int(match[2])) for match in found if match))


def _bound(what: str, version: Version, micros: int | None = None) -> bytes:
    parts = [b"bw/v1/vault", what.encode(), version.name.encode(), str(version.number).encode()]
    return b"\x00".join(parts if micros is None else [*parts, micros.to_bytes(8, "big")])
