"""Whom NetworkPolicies let talk to whom: their rules, as a cluster that enforces them keeps them."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

NOBODY: Mapping[str, str] = {}


@dataclass(frozen=True, slots=True)
class Pod:
    """
    One end of a connection: a pod, or somebody outside by address.
    """

    namespace: str = ""
    labels: Mapping[str, str] = field(default_factory=lambda: NOBODY)
    address: str = ""


def matches(selector: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    """
    Tell whether a selector means these labels; an empty one means everybody.
    """
    assert set(selector) <= {"matchLabels"}, "only labels that are spelled out are understood here"
    return bool(selector.get("matchLabels", NOBODY).items() <= labels.items())


def _is_peer(peer: Mapping[str, Any], other: Pod, home: str) -> bool:
    if "ipBlock" in peer:
        block = peer["ipBlock"]
        if not other.address:
            return False
        where = ipaddress.ip_address(other.address)

        def holds(cidr: str) -> bool:
            return where in ipaddress.ip_network(cidr)

        return holds(block["cidr"]) and not any(holds(cidr) for cidr in block.get("except", ()))
    if other.address:
        return False
    spaces = peer.get("namespaceSelector")
    in_space = other.namespace == home if spaces is None else matches(spaces, _space(other.namespace))
    return in_space and matches(peer.get("podSelector", {}), other.labels)


def _space(name: str) -> dict[str, str]:
    return {"kubernetes.io/metadata.name": name}


def _allows(rules: Iterable[Mapping[str, Any]], side: str, other: Pod, home: str, port: int, protocol: str) -> bool:
    return any(
        ("ports" not in rule or {"protocol": protocol, "port": port} in rule["ports"])
        and (side not in rule or any(_is_peer(peer, other, home) for peer in rule[side]))
        for rule in rules
    )


def allowed(policies: Iterable[Mapping[str, Any]], source: Pod, target: Pod, port: int, protocol: str = "TCP") -> bool:
    """
    Tell whether a connection is let out where it begins and let in where it goes; a pod that no policy means is open.
    """
    found = list(policies)

    def side_allows(pod: Pod, other: Pod, direction: str, side: str) -> bool:
        if pod.address:
            return True
        about = [
            policy["spec"]
            for policy in found
            if policy["metadata"]["namespace"] == pod.namespace
            and direction in policy["spec"]["policyTypes"]
            and matches(policy["spec"]["podSelector"], pod.labels)
        ]
        rules = [rule for spec in about for rule in spec.get(direction.lower(), ())]
        return not about or _allows(rules, side, other, pod.namespace, port, protocol)

    return side_allows(source, target, "Egress", "to") and side_allows(target, source, "Ingress", "from")
