"""
A small stateful Stripe on loopback: what the vendor's own SDK needs to create, pay, refund, list and fail.

It imports nothing of ours, so it can stand on either side of an argument: the same client tests pass against it with
Breakwater in between and without.
"""

from __future__ import annotations

from loadtest.upstreams.faults import Drip, Fault, HangUp, Malformed, Status
from loadtest.upstreams.stripe.server import StripeSandbox

__all__ = ["Drip", "Fault", "HangUp", "Malformed", "Status", "StripeSandbox"]
