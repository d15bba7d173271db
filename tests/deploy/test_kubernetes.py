"""The manifests: whole, hardened, in line with the program, and closed around Breakwater."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from config.load import load
from tests.deploy.fields import misspelt
from tests.deploy.policies import Pod, allowed
from tests.deploy.scene import DEPLOY
from tests.deploy.written import UID, Manifest, configuration, kind, longest_stop_s, manifests
from tests.tidy.source import ROOT

FOLDERS = {name: DEPLOY / "kubernetes" / name for name in ("beside", "beside/agents", "sidecar")}
FOUND = {name: manifests(folder) for name, folder in FOLDERS.items()}
EVERY = [one for found in FOUND.values() for one in found]
POLICIES = [*kind(EVERY, "NetworkPolicy")]
PAGE = (ROOT / "docs" / "DEPLOYING.md").read_text("utf-8")
FENCE = FOLDERS["sidecar"] / "fence.nft"

AGENT = Pod("agents", {"app.kubernetes.io/name": "agent"})
OTHER_AGENT = Pod("agents", {"app": "whatever"})
OURS = Pod("breakwater", {"app.kubernetes.io/name": "breakwater"})
REDIS = Pod("breakwater", {"app.kubernetes.io/name": "breakwater-redis"})
NAMES = Pod("kube-system", {"k8s-app": "kube-dns"})
WATCHER = Pod("monitoring", {"app": "prometheus"})
STRANGER = Pod("elsewhere", {"app.kubernetes.io/name": "breakwater"})
API, METADATA, PRIVATE = Pod(address="203.0.113.7"), Pod(address="169.254.169.254"), Pod(address="10.1.2.3")
API6, PRIVATE6 = Pod(address="2001:db8::1"), Pod(address="fd00::1")


def workloads(found: list[Manifest]) -> Iterator[tuple[Manifest, dict[str, Any]]]:
    """
    Yield what makes pods, with the pod's spec.
    """
    for one in kind(found, "StatefulSet", "Deployment"):
        yield one, one["spec"]["template"]["spec"]


def containers(spec: dict[str, Any]) -> list[dict[str, Any]]:
    """
    Return a pod's containers in the order in which they start.
    """
    return [*spec.get("initContainers", ()), *spec["containers"]]


@pytest.mark.parametrize("name", FOUND)
def test_fields(name: str) -> None:
    """Every field is one that its object has."""
    assert [fault for one in FOUND[name] for fault in misspelt(one, (one["kind"],))] == []
    broken = yaml.safe_load(yaml.safe_dump(FOUND[name]))
    next(workloads(broken))[1]["containers"][0]["securityContext"]["readOnlyRootFileSystem"] = True
    assert len([fault for one in broken for fault in misspelt(one, (one["kind"],))]) == 1


@pytest.mark.parametrize("name", FOUND)
def test_joined(name: str) -> None:
    """What refers to something refers to something that is there, or that the page says how to make."""
    found = FOUND[name]
    maps = {one["metadata"]["name"] for one in kind(found, "ConfigMap")}
    for one, spec in workloads(found):
        labels = one["spec"]["template"]["metadata"]["labels"]
        assert one["spec"]["selector"]["matchLabels"].items() <= labels.items()
        claims = [claim["metadata"]["name"] for claim in one["spec"].get("volumeClaimTemplates", ())]
        volumes = {volume["name"] for volume in spec["volumes"]} | set(claims)
        mounted = {mount["name"] for each in containers(spec) for mount in each.get("volumeMounts", ())}
        assert mounted == volumes
        assert {volume["configMap"]["name"] for volume in spec["volumes"] if "configMap" in volume} <= maps
        secrets = {volume["secret"]["secretName"] for volume in spec["volumes"] if "secret" in volume}
        secrets |= {env["valueFrom"]["secretKeyRef"]["name"] for env in keyed(spec)}
        assert [secret for secret in secrets if f"`{secret}`" not in PAGE and f" {secret} " not in PAGE] == []
        ports = {port["name"] for each in containers(spec) for port in each.get("ports", ())}
        for service in kind(found, "Service"):
            if service["spec"]["selector"].items() <= labels.items():
                assert {port["targetPort"] for port in service["spec"]["ports"]} <= ports
        if one["kind"] == "StatefulSet":
            assert one["spec"]["serviceName"] in {each["metadata"]["name"] for each in kind(found, "Service")}


def keyed(spec: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """
    Yield the variables that come from a secret.
    """
    for each in containers(spec):
        yield from (env for env in each.get("env", ()) if "secretKeyRef" in env.get("valueFrom", {}))


@pytest.mark.parametrize("name", FOUND)
def test_hardened(name: str) -> None:
    """No container is root, writes to its root, or has a capability; only the fence has one, and it ends first."""
    for _, spec in workloads(FOUND[name]):
        assert spec["automountServiceAccountToken"] is False
        assert not spec.get("hostNetwork")
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        for at, each in enumerate(containers(spec)):
            context = {**spec["securityContext"], **each["securityContext"]}
            assert context["allowPrivilegeEscalation"] is False
            assert context["readOnlyRootFilesystem"] is True
            assert context["capabilities"]["drop"] == ["ALL"]
            assert {"requests", "limits"} == set(each["resources"])
            assert re.fullmatch(r"[\w/.-]+:[\w.-]+", each["image"])
            assert not each["image"].endswith(":latest")
            if each["name"] == "fence":
                assert (at, context["runAsUser"], context["capabilities"]["add"]) == (0, 0, ["NET_ADMIN"])
                assert "restartPolicy" not in each
            else:
                assert context["runAsNonRoot"] is True
                assert context["runAsUser"] > 0
                assert "add" not in context["capabilities"]
                is_ours = each["image"].startswith("breakwater:")
                assert is_ours == (context["runAsUser"] == UID), "the fence goes by the user"
    for space in kind(FOUND[name], "Namespace"):
        wanted = "privileged" if name == "sidecar" else "restricted"
        assert space["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == wanted


@pytest.mark.parametrize("name", ["beside", "sidecar"])
def test_configuration(name: str, tmp_path: Path) -> None:
    """Breakwater starts with what is mounted, and its probes, ports, secrets and time to end are in line with that."""
    process = (FOLDERS[name] / "process.yaml").read_text("utf-8")
    loaded = configuration(tmp_path, process=process, ledger="ledger: {origin: example.com/breakwater/breakwater-0}")
    settings = loaded.settings
    ((_, spec),) = [each for each in workloads(FOUND[name]) if "breakwater" in {c["name"] for c in containers(each[1])}]
    (ours,) = [each for each in containers(spec) if each["name"] == "breakwater"]
    ports = {port["name"]: port["containerPort"] for port in ours["ports"]}
    assert str(settings.admin) == f"0.0.0.0:{ports['admin']}"
    doors = {str(door) for door in settings.doors.values()}
    if name == "sidecar":
        assert doors == {f"127.0.0.1:{port}" for port in (8001, 8002, 8003)}
        assert set(ports) == {"admin"}
    else:
        assert doors == {f"0.0.0.0:{port}" for at, port in ports.items() if at != "admin"}
    for probe in ("startupProbe", "livenessProbe"):
        assert ours[probe]["httpGet"] == {"path": "/livez", "port": "admin"}
    grace = spec["terminationGracePeriodSeconds"]
    # In a pod that both share the agent ends first, in the same time.
    assert grace - (30 if name == "sidecar" else 0) >= longest_stop_s(loaded)
    mounts = {mount["mountPath"] for mount in ours["volumeMounts"]}
    read = {str(api.credential.file) for api in loaded.apis.values()}
    if settings.store_password is not None:
        read.add(str(settings.store_password.file))
    assert {str(Path(file).parent) for file in read} <= mounts
    assert str(settings.state.parent) in mounts
    (prepare,) = [each for each in containers(spec) if each["name"] == "prepare"]
    for file in re.findall(r"/run/config/(\w+)/\w+\.yaml", prepare["args"][0]):
        assert f"/run/config/{file}" in mounts
    claims = [each for each, _ in workloads(FOUND[name]) if each["metadata"]["name"] in {"breakwater", "agent"}]
    assert [claim["metadata"]["name"] for claim in claims[0]["spec"]["volumeClaimTemplates"]] == ["state"]


def test_prepares(tmp_path: Path) -> None:
    """What a pod prepares is a whole configuration, with a log of its own and the key ring that it was given."""
    ((_, spec),) = [each for each in workloads(FOUND["beside"]) if each[0]["metadata"]["name"] == "breakwater"]
    script = spec["initContainers"][0]["args"][0]
    places = ("/etc/breakwater", "/run/config", "/run/secrets/keyring", "/var/lib/breakwater")
    for place in places:
        (tmp_path / place[1:]).mkdir(parents=True)
        script = script.replace(place, str(tmp_path / place[1:]))
    for name, source in (
        ("process", FOLDERS["beside"] / "process.yaml"),
        ("policy", DEPLOY / "config" / "policy.yaml"),
    ):
        (tmp_path / "run/config" / name).mkdir()
        shutil.copy(source, tmp_path / "run/config" / name)
    ring = tmp_path / "run/secrets/keyring/keyring"
    ring.write_text("a ring", "utf-8")
    for _ in "twice":
        subprocess.run(["sh", "-euc", script], env={**os.environ, "POD": "breakwater-1"}, check=True)
        ring.write_text("another ring", "utf-8")
    kept = tmp_path / "var/lib/breakwater/state/keyring"
    assert kept.read_text("utf-8") == "a ring"
    assert (kept.stat().st_mode & 0o777, kept.parent.stat().st_mode & 0o777) == (0o400, 0o700)
    assert load(tmp_path / "etc/breakwater").settings.ledger.origin == "example.com/breakwater/breakwater-1"


# Who reaches whom: source, target, port, and whether.
ROADS = [
    *((AGENT, OURS, door, True) for door in (8001, 8002, 8003)),
    *((agent, target, port, False) for agent in (AGENT, OTHER_AGENT) for target in (API, API6) for port in (80, 443)),
    *((AGENT, target, port, False) for target in (METADATA, PRIVATE, REDIS, WATCHER) for port in (80, 443, 6379, 9090)),
    (AGENT, OURS, 8470, False),
    (AGENT, OTHER_AGENT, 8001, False),
    (OURS, API, 443, True),
    (OURS, API6, 443, True),
    (OURS, API, 80, False),
    *((OURS, target, 443, False) for target in (METADATA, PRIVATE, PRIVATE6, AGENT)),
    (OURS, REDIS, 6379, True),
    (REDIS, API, 443, False),
    (REDIS, OURS, 8001, False),
    (WATCHER, OURS, 8470, True),
    (WATCHER, OURS, 8001, False),
    *((STRANGER, target, port, False) for target in (OURS, REDIS) for port in (8001, 8470, 6379)),
    (STRANGER, AGENT, 8080, False),
    (API, OURS, 8001, False),
]


@pytest.mark.parametrize(("source", "target", "port", "whether"), ROADS)
def test_road(source: Pod, target: Pod, port: int, whether: bool) -> None:
    """The policies let agents reach the doors, Breakwater the APIs and its Redis, and nobody anything else."""
    assert allowed(POLICIES, source, target, port) is whether


def test_names() -> None:
    """Names are asked of the cluster's resolver, by whoever needs them, and Redis needs none."""
    asking = {name: allowed(POLICIES, pod, NAMES, 53, "UDP") for name, pod in (("a", AGENT), ("b", OURS), ("r", REDIS))}
    assert asking == {"a": True, "b": True, "r": False}
    assert not allowed(POLICIES, AGENT, NAMES, 443)


def test_sidecar_order() -> None:
    """The fence stands before Breakwater and Breakwater before the agent, for as long as the agent runs."""
    ((one, spec),) = workloads(FOUND["sidecar"])
    assert one["kind"] == "StatefulSet"
    assert [each["name"] for each in containers(spec)] == ["fence", "prepare", "breakwater", "agent"]
    assert [each["name"] for each in spec["initContainers"] if each.get("restartPolicy") == "Always"] == ["breakwater"]
    assert spec["shareProcessNamespace"] is False
    agent = spec["containers"][0]
    secret = {mount["mountPath"] for each in spec["initContainers"] for mount in each.get("volumeMounts", ())}
    assert not secret & {mount["mountPath"] for mount in agent["volumeMounts"]} - {"/tmp"}
    assert not {"credentials", "state"} & {mount["name"] for mount in agent["volumeMounts"]}


def test_sidecar_network() -> None:
    """Around the pod the policy lets out what Breakwater needs, which is why the fence is needed within."""
    pod = Pod("agents-with-sidecar", {"app.kubernetes.io/name": "agent"})
    reaches = [allowed(POLICIES, pod, target, 443) for target in (API, API6, METADATA, PRIVATE, OURS)]
    assert reaches == [True, True, False, False, False]
    assert [allowed(POLICIES, who, pod, 8470) for who in (WATCHER, STRANGER, AGENT)] == [True, False, False]


def test_fence() -> None:
    """The fence drops what it does not name, and lets out none but loopback, answers and Breakwater's user."""
    text = FENCE.read_text("utf-8")
    chain = text.partition("chain out {")[2]
    rules = [line.strip() for line in chain.splitlines() if re.search(r"\b(accept|reject|drop)\b", line)]
    assert rules[0] == "type filter hook output priority filter; policy drop;"
    assert [rule.split(" comment ")[0] for rule in rules[1:]] == [
        'oifname "lo" accept',
        "ct direction reply accept",
        f"meta skuid {UID} accept",
        "ip daddr . tcp dport @elsewhere4 accept",
        "ip6 daddr . tcp dport @elsewhere6 accept",
        "icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert, nd-router-solicit, mld2-listener-report } accept",
        "meta l4proto tcp reject with tcp reset",
        "reject with icmpx type admin-prohibited",
    ]
    assert not re.search(r"^\s+elements =", text, re.MULTILINE)


def test_fence_loads() -> None:
    """A kernel takes the fence, twice."""
    nft, unshare = shutil.which("nft"), shutil.which("unshare")
    if not (nft and unshare):
        pytest.skip("NOT CHECKED: fence.nft was not loaded, nft or unshare is not on PATH")
    load = f"{nft} --file {FENCE} && {nft} --file {FENCE} && {nft} list ruleset"
    ran = subprocess.run([unshare, "-rn", "sh", "-c", load], capture_output=True, text=True, check=False)
    if "unshare" in ran.stderr or "Operation not" in ran.stderr:
        pytest.skip(f"NOT CHECKED: fence.nft was not loaded ({ran.stderr.strip()})")
    assert ran.returncode == 0, ran.stderr
    assert f"meta skuid {UID} accept" in ran.stdout
