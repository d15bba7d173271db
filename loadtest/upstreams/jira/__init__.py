"""
A small stateful Jira Cloud on loopback: what its clients need to make, find, change and delete issues.

It imports nothing of ours, so it can stand on either side of an argument: the same client tests pass against it with
Breakwater in between and without.
"""

from __future__ import annotations

from loadtest.upstreams.faults import Drip, Fault, HangUp, Malformed, Status
from loadtest.upstreams.jira.server import JiraSandbox

__all__ = ["Drip", "Fault", "HangUp", "JiraSandbox", "Malformed", "Status"]
