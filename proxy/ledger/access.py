"""What is on record of who may call or act, and of what opens the APIs: keys, operators' tokens, sealed credentials."""

from __future__ import annotations

from proxy.keys import AgentKey, OperatorToken
from proxy.ledger.drafts import system
from proxy.ledger.noticed import noticed
from proxy.ledger.pen import Pen
from proxy.ledger.writer import Rank

KIND = "operator"
"""As what kind of thing people are told of operators' tokens."""


class Access:
    """
    The record's verbs for keys, operators' tokens and credentials; `by` is the operator who did it.

    That an operator has a token, or has it no more, people are told: whoever holds the token in the state folder can
    make one who approves.
    """

    def __init__(self, pen: Pen) -> None:
        self._pen = pen

    def __repr__(self) -> str:
        return f"Access({self._pen!r})"

    async def key_minted(self, agent: str, kid: str, digest: str, by: str | None = None) -> None:
        """
        Record a new agent key.
        """
        await self._pen.durable(system("key.minted", agent=agent, kid=kid, hash=digest, by=by), Rank.WRITE)

    async def key_revoked(self, kid: str, by: str | None = None) -> None:
        """
        Record that an agent key is not valid any more.
        """
        await self._pen.durable(system("key.revoked", kid=kid, by=by), Rank.END)

    async def operator_minted(self, name: str, kid: str, digest: str, by: str) -> None:
        """
        Record a new personal token of an operator.
        """
        said = noticed(KIND, minted_notice(kid))
        await self._pen.durable(system("operator.minted", name=name, kid=kid, hash=digest, by=by, **said), Rank.WRITE)

    async def operator_revoked(self, kid: str, by: str) -> None:
        """
        Record that a personal token is not valid any more.
        """
        said = noticed(KIND, revoked_notice(kid))
        await self._pen.durable(system("operator.revoked", kid=kid, by=by, **said), Rank.END)

    async def minted_elsewhere(self, one: AgentKey | OperatorToken, replica: str) -> None:
        """
        Record what was made at another process, and perhaps revoked there since; by whom stands in that one's record,
        and people were told by it.
        """
        said = {"kid": one.kid, "hash": one.digest, "from": replica or None, "over": one.revoked or None}
        if isinstance(one, AgentKey):
            draft = system("key.minted", agent=one.agent, **said)
        else:
            draft = system("operator.minted", name=one.operator, **said)
        await self._pen.durable(draft, Rank.WRITE)

    async def revoked_elsewhere(self, one: AgentKey | OperatorToken, replica: str) -> None:
        """
        Record that what is known here was revoked at another process.
        """
        kind = "key.revoked" if isinstance(one, AgentKey) else "operator.revoked"
        await self._pen.durable(system(kind, kid=one.kid, **{"from": replica or None}), Rank.END)

    async def asked(self, by: str, replica: str, route: str, about: str) -> None:
        """
        Record that an operator has something done here whom another process let in.
        """
        said = {"from": replica, "route": route, "about": about}
        await self._pen.durable(system("operator.asked", by=by, **said), Rank.WRITE)

    async def credential_changed(self, name: str, number: int, act: str) -> None:
        """
        Record what an operator did to one version of a sealed credential.
        """
        await self._pen.durable(system("credential.changed", name=name, ver=number, how=act), Rank.END)


def minted_notice(kid: str) -> str:
    """
    Return under which id people are told of a token that was made.
    """
    return f"operator:{kid}"


def revoked_notice(kid: str) -> str:
    """
    Return under which id they are told that it is worth nothing any more.
    """
    return f"operator:{kid}/revoked"
