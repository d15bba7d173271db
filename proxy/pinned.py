"""What stands on the board, sealed for the processes of one deployment: whose key it is and its hash, never the key."""

from __future__ import annotations

from dataclasses import dataclass

import orjson
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from proxy.clock import Randomness
from proxy.keys import AgentKey, OperatorToken
from proxy.ledger.keyring import BOARD, KeyRing

AGENT, OPERATOR = "k", "o"
"""With what the id of an agent's key begins there, and that of an operator's token."""

MINTED, REVOKED = "m", "r"
"""With what a value begins there."""

_VERSION_BYTES, _SEAL_BYTES = 4, 12


@dataclass(frozen=True, slots=True)
class Pinned:
    """
    An agent's key or an operator's token, and by which process it was put there.
    """

    id: str
    whose: str
    digest: str
    replica: str
    revoked: bool = False

    @property
    def kid(self) -> str:
        """
        Return the id of the key.
        """
        return self.id.partition(":")[2]

    def shown(self) -> AgentKey | OperatorToken:
        """
        Return what it is.
        """
        if self.id.startswith(AGENT):
            return AgentKey(self.kid, self.whose, self.digest, self.revoked)
        return OperatorToken(self.kid, self.whose, self.digest, self.revoked)


def id_of(one: AgentKey | OperatorToken) -> str:
    """
    Return the id of a key or a token on the board.
    """
    return f"{AGENT if isinstance(one, AgentKey) else OPERATOR}:{one.kid}"


def pinned(one: AgentKey | OperatorToken, replica: str) -> Pinned:
    """
    Return what is put on the board of a key or a token.
    """
    whose = one.agent if isinstance(one, AgentKey) else one.operator
    return Pinned(id_of(one), whose, one.digest, replica, one.revoked)


class PinSeal:
    """
    Seals and opens what stands on the board of one deployment.
    """

    def __init__(self, ring: KeyRing, deployment: str, randomness: Randomness) -> None:
        self._ring, self._deployment, self._randomness = ring, deployment, randomness

    def __repr__(self) -> str:
        return f"PinSeal({self._deployment})"

    def name(self) -> str:
        """
        Return a name for the board as it is once something was put there.
        """
        return self._randomness(8).hex()

    def seal(self, one: Pinned) -> bytes:
        """
        Return what is put under its id, but for the letter before it.
        """
        version, iv = self._ring.current, self._randomness(_SEAL_BYTES)
        said = orjson.dumps([one.whose, one.digest, one.replica])
        sealed = AESGCM(self._ring.key(BOARD, version)).encrypt(iv, said, self._bound(one.id, letter(one).encode()))
        return version.to_bytes(_VERSION_BYTES) + iv + sealed

    def open(self, id_: str, value: bytes) -> Pinned | None:
        """
        Return what stands under an id; None for what none of us has put there.
        """
        state, record = value[:1], value[1:]
        iv, sealed = record[_VERSION_BYTES : _VERSION_BYTES + _SEAL_BYTES], record[_VERSION_BYTES + _SEAL_BYTES :]
        try:
            key = self._ring.key(BOARD, int.from_bytes(record[:_VERSION_BYTES]))
            said = AESGCM(key).decrypt(iv, sealed, self._bound(id_, state))
        except (InvalidTag, KeyError, ValueError):
            return None
        whose, digest, replica = orjson.loads(said)
        return Pinned(id_, whose, digest, replica, state == REVOKED.encode())

    def _bound(self, id_: str, state: bytes) -> bytes:
        return b"\x00".join((b"bw/v1/board", self._deployment.encode(), id_.encode(), state))


def letter(one: Pinned) -> str:
    """
    Return with what the value of one begins.
    """
    return REVOKED if one.revoked else MINTED
