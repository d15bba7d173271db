"""The last scene: what was written is whole, and one byte that is not can be told."""

from __future__ import annotations

from loadtest.demo.record import Shown, expect
from loadtest.demo.stage import Stage


def the_ledger_verifies(stage: Stage) -> Shown:
    """
    Stop, verify what was written, flip one bit of it, and verify again.
    """
    expect(stage.breakwater.terminate() == 0, "serve did not stop cleanly")
    whole = stage.breakwater.cli("ledger", "verify", "--json")
    expect(whole.code == 0, f"a whole ledger does not verify: {whole.out}{whole.err}")
    segment = max(stage.breakwater.state.glob("ledger/*/seg-*.bwl"))
    data = bytearray(segment.read_bytes())
    data[len(data) // 2] ^= 1
    segment.write_bytes(data)
    broken = stage.breakwater.cli("ledger", "verify", "--json")
    expect(broken.code == 1, f"a flipped byte verifies: {broken.out}{broken.err}")
    expect("tampered" in broken.out, f"a flipped byte is found to be {broken.out}{broken.err}")
    return Shown(f"whole: exit 0; byte {len(data) // 2} of {segment.name} flipped: exit 1, tampered")
