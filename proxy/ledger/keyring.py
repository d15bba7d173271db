"""
The key ring: one secret in one file (0400), from which every key of this program is derived by its label.

Made at the first start and given to every replica. A version stands in whatever was made with it, so that a ring can
hold a newer secret beside those that older records need.
"""

from __future__ import annotations

import base64
import unicodedata
from functools import lru_cache
from pathlib import Path

import orjson
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from proxy.clock import Randomness
from proxy.errors import StartRefused
from proxy.ledger.disk import Disk, write_whole
from proxy.ledger.mac import mac

SECRET_BYTES = 32

FINGERPRINT, REDACTION, WRAPPING, VAULT = "fingerprint", "redaction", "wrapping", "vault"
TOKENS, SNAPSHOT = "tokens", "snapshot"
LETTERS, BOARD = "letters", "board"
"""The labels under which keys are derived."""

REDACTED_LENGTH = 26
"""128 bits in base 32: two different values never share a token by chance."""

REDACTED_BYTES = 20
"""As many as are spelled without padding and have those letters."""

NAMES_KEPT = 2048
"""Tokens that are remembered: an agent names the same few objects again and again."""


class KeyRing:
    """
    Derives keys by label; it never shows its secret.
    """

    def __init__(self, secrets: dict[int, bytes], current: int) -> None:
        self._secrets, self.current = secrets, current
        self._derived: dict[tuple[str, int], bytes] = {}
        self._redacted = lru_cache(NAMES_KEPT)(self._redact)

    def __repr__(self) -> str:
        return f"KeyRing(versions={self.versions}, current={self.current})"

    def key(self, label: str, version: int | None = None) -> bytes:
        """
        Return the 32-byte key of a label, of the current version where none is named.

        Raise `KeyError` where the ring does not hold that version.
        """
        wanted = (label, self.current if version is None else version)
        if wanted not in self._derived:
            kdf = HKDF(hashes.SHA256(), SECRET_BYTES, None, b"bw/v1/key\x00" + label.encode())
            self._derived[wanted] = kdf.derive(self._secrets[wanted[1]])
        return self._derived[wanted]

    @property
    def versions(self) -> list[int]:
        """
        Return the versions of the secret that it holds.
        """
        return sorted(self._secrets)

    def redact(self, klass: str, value: str, version: int | None = None) -> str:
        """
        Return the token that stands for a value in a record: equal for equal values of one class, telling nothing else.

        What is recorded now has the token of the current version.
        """
        return self._redacted(klass, value, self.current if version is None else version)

    def _redact(self, klass: str, value: str, version: int) -> str:
        normal = unicodedata.normalize("NFC", value).encode("utf-8", "surrogatepass")
        found = mac(self.key(REDACTION, version), b"bw/v1/redact\x00" + klass.encode() + b"\x00" + normal)
        return f"h1:{version}:{base64.b32encode(found[:REDACTED_BYTES]).decode().lower()[:REDACTED_LENGTH]}"


def make_ring(disk: Disk, path: Path, randomness: Randomness) -> None:
    """
    Make the key ring file, durable.
    """
    secret = base64.b64encode(randomness(SECRET_BYTES)).decode()
    write_whole(disk, path, orjson.dumps({"v": 1, "current": 1, "secrets": {"1": secret}}), 0o400)


def read_ring(disk: Disk, path: Path) -> KeyRing:
    """
    Read the key ring file.

    Raise `StartRefused` where it cannot be read or is not one.
    """
    try:
        document = orjson.loads(disk.read(path))
        secrets = {int(version): base64.b64decode(text) for version, text in document["secrets"].items()}
        ring = KeyRing(secrets, int(document["current"]))
        if any(len(secret) != SECRET_BYTES for secret in secrets.values()) or ring.current not in secrets:
            raise ValueError("a secret is missing or too short")
    except OSError as error:
        hint = "it must be readable by the user that runs Breakwater"
        raise StartRefused(f"the key ring is unreadable: {path}: {error.strerror}", hint) from None
    except (ValueError, KeyError, TypeError, AttributeError):
        # Nothing of the content goes into the message: it may be half a secret.
        hint = "restore it from your copy; without it no sealed payload can be opened"
        raise StartRefused(f"the key ring is damaged: {path}", hint) from None
    return ring
