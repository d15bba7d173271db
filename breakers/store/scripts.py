"""The scripts that make each verb of a shared store one step, and the digests that a server knows them by."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha1
from pathlib import Path
from types import MappingProxyType

_FOLDER = Path(__file__).with_name("lua")

VERBS = (
    *("begin", "ready", "beat", "forget", "wipe", "facts", "reserve", "dispatch", "move", "giveback"),
    *("stops", "stop", "gauges", "shift", "count", "suggestions", "suggest", "turn", "noted", "carry"),
    *("hold", "bill", "lapsed", "giveup", "shown", "raised", "judged"),
    *("open", "shut", "revoke", "news", "post", "pin", "pinned"),
)

# What stands before a script: the server's clock and the records, and before some what their further keys hold.
_BEFORE: Mapping[str, tuple[str, ...]] = {
    **dict.fromkeys(("begin", "ready", "beat", "forget"), ("belonging",)),
    **dict.fromkeys(("bill", "giveup", "judged"), ("totals",)),
    "hold": ("totals", "gauging"),
    **dict.fromkeys(("open", "shut", "revoke", "news"), ("posting",)),
    "facts": ("seeing",),
    "reserve": ("totals", "gauging", "suggesting", "seeing"),
    "move": ("totals", "gauging", "suggesting"),
    "stop": ("stopping",),
    "dispatch": ("stopping", "suggesting"),
    "giveback": ("gauging", "suggesting"),
    **dict.fromkeys(("shift", "count"), ("gauging",)),
    **dict.fromkeys(("suggest", "turn", "noted", "carry"), ("suggesting",)),
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
