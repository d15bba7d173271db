"""
Operators and their personal tokens: who showed one, and by which roles.

A token says who somebody is and nothing else. The roles are what the configuration says at that moment: a role that is
taken away, and an operator who is not there any more, count from the next request on, as a revoked token does.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType

from config.load import Configuration
from proxy.keys import OPERATOR_PREFIX, OperatorToken, OperatorTokens

NOBODY: Mapping[str, frozenset[str]] = MappingProxyType({})


class Operators:
    """
    The operators of the configuration, and every personal token that was ever minted; `roles` are by operator.
    """

    def __init__(self, roles: Mapping[str, frozenset[str]] = NOBODY, tokens: Iterable[OperatorToken] = ()) -> None:
        self.roles = roles
        self.tokens = OperatorTokens()
        for token in tokens:
            self.tokens.minted(token)

    def __repr__(self) -> str:
        return f"Operators({len(self.roles)}, {self.tokens!r})"

    def find(self, text: str) -> str | None:
        """
        Return whose valid personal token this is, or None.
        """
        if not text.startswith(OPERATOR_PREFIX) or not text.isascii():
            return None
        token = self.tokens.find(text)
        return token.operator if token is not None and token.operator in self.roles else None


def roles_of(configuration: Configuration) -> Mapping[str, frozenset[str]]:
    """
    Return the roles of every operator of a configuration.
    """
    return MappingProxyType({name: frozenset(card.roles) for name, card in configuration.operators.items()})
