"""
A small stateful GitHub on loopback: what the vendors' own SDKs need to work on issues, files, pulls and releases.

It imports nothing of ours, so it can stand on either side of an argument: the same client tests pass against it with
Breakwater in between and without.
"""

from __future__ import annotations

from loadtest.upstreams.github.server import GithubSandbox

__all__ = ["GithubSandbox"]
