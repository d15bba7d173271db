"""What Redis refuses, each in a sentence for whoever runs it; nothing that was sent or configured stands in one."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

GARBAGE = "what answers at `store` does not speak the protocol of Redis"


@dataclass(frozen=True, slots=True)
class Refusal:
    """
    An error that the server answered with, from its first word on.
    """

    said: str


Reply = bytes | int | None | list["Reply"] | Refusal

_PASSWORD = "Redis refuses the password that `store_password` names, or asks for one"  # noqa: S105 # a sentence
_ON_ITS_WAY = "the keys of this deployment are on their way to another node of the cluster"

_SENTENCES: Mapping[str, str] = {
    "READONLY": "this Redis is a replica now and takes no writes: another has become the primary",
    "LOADING": "Redis is loading its data from its disk",
    "OOM": "Redis has no memory left for what a write needs: raise its maxmemory",
    "NOSCRIPT": "Redis does not keep the scripts that it is given",
    "MOVED": "the keys of this deployment are on another node of the cluster: only `store: cluster://…` follows them",
    "ASK": _ON_ITS_WAY,
    "TRYAGAIN": _ON_ITS_WAY,
    "BUSY": "Redis is busy with one script: `SCRIPT KILL` ends it",
    "WRONGTYPE": "a key of this deployment holds what Breakwater never wrote: give it a Redis, or a name, of its own",
    "NOAUTH": _PASSWORD,
    "WRONGPASS": _PASSWORD,
    "NOPERM": "the ACL of Redis forbids its user a command or a key: compare it with docs/FLEET.md",
    "MASTERDOWN": "this Redis is a replica that has lost its primary",
    "CLUSTERDOWN": "the cluster serves nothing: one of its nodes is away, or the keys of this deployment are nobody's",
    "NOREPLICAS": "Redis has too few replicas for a write: see its min-replicas-to-write",
    "MISCONF": "Redis cannot save to its disk, and takes no write until it can",
    "DENIED": "Redis is in protected mode: it needs a password, or a user with one",
}

# What has no code of its own; the beginning of it is enough.
_SPELLED: Mapping[str, str] = {
    "ERR AUTH ": _PASSWORD,
    "ERR invalid password": _PASSWORD,
    "ERR max number of clients": "Redis takes no more connections: raise its maxclients",
    "ERR This instance has cluster support disabled": "`store` names a cluster, and this Redis is none",
}

# After these another server has the keys; after the others it may have them soon, or lets nobody in.
REPLACED = frozenset({"READONLY", "MOVED", "MASTERDOWN"})
ELSEWHERE = frozenset({"ASK", "TRYAGAIN", "CLUSTERDOWN", "LOADING", "NOAUTH"})

_CODE = re.compile(r"[A-Z]{2,20}\b")
# A script's error is a sentence of its own, in which the code of what went wrong stands behind a dash.
_WITHIN = re.compile(r"[ :]-([A-Z]{2,20}) ")


def code_of(refusal: Refusal) -> str:
    """
    Return by which word an error begins, in a script or outside; `ERR` where it has none.
    """
    first = _CODE.match(refusal.said)
    code = "ERR" if first is None else first[0]
    within = _WITHIN.search(refusal.said) if code == "ERR" else None
    return code if within is None else within[1]


def sentence(refusal: Refusal) -> str:
    """
    Return an error in words.
    """
    code = code_of(refusal)
    for beginning, known in _SPELLED.items():
        if refusal.said.startswith(beginning):
            return known
    # A code is a word of the server's own, and says more than nothing.
    return _SENTENCES.get(code, f"Redis refused what it was asked ({code})")
