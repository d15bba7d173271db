"""A re-send of a write in doubt is asked about directly before its first byte, whatever was so when it was begun."""

from __future__ import annotations

from pathlib import Path

import pytest

from breakers.call import Outcome
from breakers.known import Ended, State
from proxy.passes import Redo
from proxy.wire import Wire
from tests.breakers.stopping import halted
from tests.doubt.world import stripe
from tests.proxy.road import charged


@pytest.mark.parametrize("meanwhile", ["stopped", "ended elsewhere", "the program stops"])
async def test_held_back(meanwhile: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing leaves once writes are stopped, once it is known how the write ended, or once the program stops."""
    async with stripe(tmp_path) as world:
        form = {"charge": charged(world.sandbox), "amount": 1200}
        intent = await world.lose("POST", "/v1/refunds", form, named="k", applied=False)
        forward, store = world.on.rooms.forward, world.on.rooms.store
        (opened,) = [one.opened for one in await store.open_intents()]
        resend = forward.resend

        async def begun(redo: Redo, wire: Wire) -> Outcome:
            if meanwhile == "stopped":
                await store.apply(halted(9))
            elif meanwhile == "ended elsewhere":
                await store.resolve(opened, Ended(State.COMPLETED, world.on.clock.now(), applied=False, keeps=True))
            else:
                monkeypatch.setattr(world.on.rooms, "stopping", True)
            return await resend(redo, wire)

        monkeypatch.setattr(forward, "resend", begun)
        sent = world.asked("POST")
        assert await world.looks(2) == 1
        assert world.asked("POST") == sent
        assert world.sandbox.effects["refund.created"] == 0
        assert (await store.earlier(intent)) is not None
        monkeypatch.undo()
