"""Stage 2: who calls. One agent key, in any of the places where an SDK puts an API key."""

from __future__ import annotations

from collections.abc import Container
from datetime import datetime

from breakers.call import Caller
from breakers.verdict import Reason
from proxy.canonical.credentials import extract_key
from proxy.canonical.heads import Head
from proxy.errors import Refused
from proxy.keys import Keys

UNKNOWN = "The key that came with this request is not a valid agent key of this Breakwater."
"""One sentence for every kind of wrong key: what is wrong with it is nobody's business but the operator's."""


def identify(head: Head, keys: Keys, agents: Container[str], now: datetime) -> Caller:
    """
    Return the caller, with its standing task of the day (UTC).

    Raise `Refused` where there is no key, more than one, or one that is unknown, revoked, or without a card.
    """
    key = keys.find(extract_key(head.authorization, head.breakwater_key))
    if key is None or key.agent not in agents:
        raise Refused(Reason.KEY_UNKNOWN, UNKNOWN)
    return Caller(key.agent, key.kid, f"{key.agent}/{now.date().isoformat()}")
