"""The unit, its sandbox, and the drop-in that closes the road for an agent on the same host."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.deploy.scene import DEPLOY
from tests.deploy.written import configuration, longest_stop_s
from tests.tidy.source import ROOT

FOLDER = DEPLOY / "systemd"
UNIT = (FOLDER / "breakwater.service").read_text("utf-8")
PROGRAM = "/opt/breakwater/bin/breakwater"

# Of ten; what is left of it is that a proxy has a network.
EXPOSURE_MAX = "15"

NOBODYS = 2**22 + 1
"""No process has a number beyond the kernel's bound."""


def settings(text: str) -> dict[str, list[str]]:
    """
    Return what a unit says under each name; one that stands twice has two.
    """
    found: dict[str, list[str]] = {}
    for line in text.splitlines():
        if line and line[0] not in "#[":
            name, _, value = line.partition("=")
            found.setdefault(name, []).append(value)
    return found


SAYS = settings(UNIT)


@pytest.mark.parametrize(
    "words", [["verify", "--man=no"], ["security", "--offline=true", f"--threshold={EXPOSURE_MAX}"]]
)
def test_analyzed(words: list[str], tmp_path: Path) -> None:
    """The machine's own systemd understands the unit, and finds little that it leaves open."""
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        pytest.skip("NOT CHECKED: systemd-analyze did not run, it is not on PATH")
    unit = tmp_path / "breakwater.service"
    unit.write_text(UNIT.replace(PROGRAM, sys.executable), "utf-8")
    ran = subprocess.run([analyze, "--no-pager", *words, unit], capture_output=True, text=True, check=False)
    if "unrecognized option" in ran.stderr:
        pytest.skip(f"NOT CHECKED: this systemd-analyze is too old ({ran.stderr.strip()})")
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert words[0] == "security" or ran.stderr == ""


def test_sandbox() -> None:
    """It is a user of its own that cannot become another one, and writes nothing but its state folder."""
    yes = (
        *("NoNewPrivileges", "ProtectHome", "PrivateTmp", "PrivateDevices", "PrivateUsers", "ProtectClock"),
        *("ProtectKernelTunables", "ProtectKernelModules", "ProtectKernelLogs", "ProtectControlGroups"),
        *("RestrictNamespaces", "RestrictSUIDSGID", "RestrictRealtime", "LockPersonality", "MemoryDenyWriteExecute"),
    )  # fmt: skip
    assert {name: SAYS[name] for name in yes} == {name: ["yes"] for name in yes}
    assert SAYS["ProtectSystem"] == ["strict"]
    assert SAYS["CapabilityBoundingSet"] == [""]
    assert SAYS["SystemCallFilter"] == ["@system-service", "~@privileged"]
    assert SAYS["RestrictAddressFamilies"] == ["AF_INET AF_INET6 AF_UNIX"]
    assert (SAYS["StateDirectory"], SAYS["StateDirectoryMode"]) == (["breakwater"], ["0700"])
    assert "ReadWritePaths" not in SAYS
    user = SAYS["User"][0]
    assert re.search(rf"^u {user} ", (FOLDER / "breakwater.sysusers").read_text("utf-8"), re.MULTILINE)


def test_configuration(tmp_path: Path) -> None:
    """Its credential is where systemd puts it, its state where it may write, and it has the time that a stop takes."""
    loaded = configuration(tmp_path, process=(FOLDER / "process.yaml").read_text("utf-8"))
    given = {f"/run/credentials/breakwater.service/{one.partition(':')[0]}" for one in SAYS["LoadCredential"]}
    assert {str(api.credential.file) for api in loaded.apis.values()} == given
    assert loaded.settings.state == Path("/var/lib/breakwater/state")
    assert int(SAYS["TimeoutStopSec"][0]) >= longest_stop_s(loaded)
    assert {str(door).partition(":")[0] for door in (loaded.settings.admin, *loaded.settings.doors.values())} == {
        "127.0.0.1"
    }
    assert SAYS["ExecReload"] == ["/bin/kill -HUP $MAINPID"]
    assert (SAYS["Restart"], SAYS["KillMode"]) == (["on-failure"], ["mixed"])
    assert SAYS["ExecStart"] == [f"{PROGRAM} serve"]


def started(folder: Path, written: str, pid: int) -> int:
    """
    Run what says when the unit has started, beside a state folder in which this stands, and return its exit code.
    """
    state = folder / "state"
    state.mkdir(exist_ok=True)
    (state / "run.json").write_text(written, "utf-8")
    (script,) = re.findall(r'^/bin/sh -c "([^"\\]*)"$', SAYS["ExecStartPost"][0])
    # As systemd does it.
    script = script.replace("${MAINPID}", str(pid)).replace("/var/lib/breakwater/state", str(state))
    return subprocess.run(["sh", "-c", script], timeout=30, check=False).returncode


def test_started(tmp_path: Path) -> None:
    """It has started when its process has written where it listens, and not by what an earlier one left."""
    with subprocess.Popen(["sleep", "60"]) as process:
        try:
            assert started(tmp_path, f'{{"pid":{process.pid},"doors":{{}}}}', process.pid) == 0
        finally:
            process.kill()
    assert started(tmp_path, '{"pid":1,"doors":{}}', NOBODYS) == 1


def test_agent() -> None:
    """An agent's unit reaches loopback and nothing else, the resolver and other programs' sockets neither."""
    says = settings((FOLDER / "agent.conf").read_text("utf-8"))
    assert says["IPAddressDeny"] == ["any"]
    assert says["IPAddressAllow"] == ["127.0.0.1 ::1"]
    assert says["RestrictAddressFamilies"] == ["AF_INET AF_INET6 AF_UNIX"]
    hidden = " ".join(says["InaccessiblePaths"]).split()
    assert {"-/run/systemd/resolve", "-/run/docker.sock", "-/run/dbus", "-/var/lib/breakwater"} <= set(hidden)
    assert says["NoNewPrivileges"] == ["yes"]


def test_installed() -> None:
    """The page installs each of these files where the unit looks for it."""
    page = (ROOT / "docs" / "DEPLOYING.md").read_text("utf-8")
    for name in ("breakwater.service", "breakwater.sysusers", "process.yaml", "agent.conf"):
        assert f"deploy/systemd/{name}" in page
    assert "sudo python3 -m venv /opt/breakwater" in page
    source = SAYS["LoadCredential"][0].partition(":")[2]
    assert f"stripe.key {source}" in page
