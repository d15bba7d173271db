"""The scripts that make each verb of a shared store one step, and the digests that a server knows them by."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha1
from pathlib import Path
from types import MappingProxyType

_FOLDER = Path(__file__).with_name("lua")

VERBS = (
    *("begin", "ready", "stops", "stop", "facts", "reserve", "dispatch", "move"),
    *("hold", "bill", "lapsed", "giveup", "shown", "raised", "judged"),
    *("open", "shut", "revoke"),
)

# What stands before a script: the server's clock and the records, and before some the totals or the stop.
_BEFORE: Mapping[str, tuple[str, ...]] = {
    **dict.fromkeys(("reserve", "move", "hold", "bill", "giveup", "judged"), ("totals",)),
    **dict.fromkeys(("stop", "dispatch"), ("stopping",)),
}


@dataclass(frozen=True, slots=True)
class Script:
    """
    One atomic verb.
    """

    text: str
    sha: str


def _read(verb: str) -> Script:
    parts = ("names", *_BEFORE.get(verb, ()), verb)
    text = "".join((_FOLDER / f"{part}.lua").read_text("utf-8") for part in parts)
    return Script(text, sha1(text.encode(), usedforsecurity=False).hexdigest())


SCRIPTS: Mapping[str, Script] = MappingProxyType({verb: _read(verb) for verb in VERBS})
