"""
The board: what every process of a deployment must know of keys and operators' tokens, and what was revoked.

| key | what it holds |
|---|---|
| `board` | by id, `m` (minted) or `r` (revoked) and a sealed record; under `#` a name for the state that it is in |

A revocation is never taken back here. What a record says is the road's business (`proxy/board.py`), which also puts
back what a server has lost: a state has a name that no other has, so what a failover took back is not taken for what is
known; a count of changes would come to the same number again by others.
"""

from __future__ import annotations

from collections.abc import Mapping

from breakers.store.link import Shared, reading, text

MINTED, REVOKED = "m", "r"


class Pins:
    """
    What stands on the board, over what is shared.
    """

    def __init__(self, shared: Shared) -> None:
        self._shared = shared

    def __repr__(self) -> str:
        return f"<Pins {self._shared.tag}>"

    async def changed(self, state: str) -> tuple[str, Mapping[str, bytes] | None]:
        """
        Return the state of the board, and all that stands there where it is not the state that is known.
        """
        with reading():
            found, *rest = await self._shared.run("pinned", ("board",), state)
            if not rest:
                return text(found), None
            (pairs,) = rest
            said = dict(zip(pairs[::2], pairs[1::2], strict=True))
        return text(found), {
            name.decode(errors="backslashreplace"): value for name, value in said.items() if not name.startswith(b"#")
        }

    async def pin(self, id_: str, kind: str, record: bytes, *, state: str, over: bytes = b"") -> bool:
        """
        Put a record there; False where something stands there that is not to be replaced by it.

        `state` is a name that no state of the board has had, `over` what stands there and is not to be believed.
        """
        return bool(await self._shared.run("pin", ("board",), id_, kind, record, state, over))
