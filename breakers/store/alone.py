"""What a store says of its fleet that has none: it is all of one process."""

from __future__ import annotations

from breakers.store.members import Member, Presence, Roll


class Alone:
    """
    The part of a store that nobody shares which others ask their fleet for.
    """

    untold = False
    lost = ""

    async def begin(self, *, names_by: str = "", roll: Roll | None = None) -> None:
        """
        Do nothing: nobody is waited for.
        """

    def members(self) -> tuple[Member, ...]:
        """
        Return nobody.
        """
        return ()

    async def beat(self, presence: Presence, *, stops: bool = False) -> None:
        """
        Do nothing: nobody listens.
        """

    async def forget(self, name: str, *, asks: bool) -> float | None:  # noqa: ARG002 there is nobody to forget
        """
        Forget nobody.
        """
        return None
