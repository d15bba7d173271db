"""
Stage 2: who calls. One agent key or task token, in any of the places where an SDK puts an API key.

A token must be authentic, valid now, and shown from where it may be. Whether it was revoked meanwhile, and how the task
stands, the shared state knows: that is asked right after this, and once more before anything is taken.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from breakers.call import Caller
from breakers.caveats import Caveat, networks, user
from breakers.policy import AgentRules
from breakers.verdict import Reason
from proxy.canonical.credentials import extract_key, is_token
from proxy.canonical.heads import Head
from proxy.errors import Refused
from proxy.keys import Keys
from proxy.peers import Peer
from proxy.tokens import Tokens

UNKNOWN = "The key that came with this request is not a valid agent key of this Breakwater."
"""One sentence for every kind of wrong key: what is wrong with it is nobody's business but the operator's."""

_DAY_CHARS = len("2026-11-21")

EXPIRED = "The task token that came with this request is not valid at this moment."


def identify(
    head: Head, peer: Peer, keys: Keys, tokens: Tokens, agents: Mapping[str, AgentRules], now: datetime
) -> Caller:
    """
    Return the caller: of a key with its standing task of the day (UTC), of a token with the token's task.

    Raise `Refused` where there is no key, more than one, or one that is unknown, revoked, expired, or without a card.
    """
    shown = extract_key(head.authorization, head.breakwater_key)
    if is_token(shown):
        return _by_token(shown, peer, tokens, agents, now)
    key = keys.find(shown)
    if key is None or key.agent not in agents:
        raise Refused(Reason.KEY_UNKNOWN, UNKNOWN)
    return Caller(key.agent, key.kid, standing_task(key.agent, now))


def standing_task(agent: str, now: datetime) -> str:
    """
    Return the task of an agent's calls that name none: that of the day.
    """
    return f"{agent}/{now.isoformat()[:_DAY_CHARS]}"


def _by_token(shown: str, peer: Peer, tokens: Tokens, agents: Mapping[str, AgentRules], now: datetime) -> Caller:
    token = tokens.verify(shown)
    rules = agents.get(token.agent) if token is not None else None
    if token is None or rules is None or not all(_holds(caveat, peer, rules) for caveat in token.caveats):
        raise Refused(Reason.KEY_UNKNOWN, UNKNOWN)
    if not token.is_valid(now):
        raise Refused(Reason.TOKEN_EXPIRED, EXPIRED)
    return Caller(
        agent=token.agent,
        key_id=token.ids[0],
        task=token.task,
        named=True,
        tokens=token.ids,
        caveats=token.caveats,
    )


def _holds(caveat: Caveat, peer: Peer, rules: AgentRules) -> bool:
    """
    Tell whether a caveat about where a token is shown holds.
    """
    match caveat.key:
        case "ip":
            address = peer.address()
            return address is not None and any(address in network for network in networks(caveat.value))
        case "peer":
            return peer.user() == user(caveat.value)
        case "env":
            return rules.environment == caveat.value
        case _:
            return True
