"""The state folder, read alone: the one that the whole configuration has, whatever else of it is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from config.faults import ConfigurationFault
from config.load import load
from config.place import state_folder

GOOD = ("", "admin: 127.0.0.1:0", "state: here", 'state: "no"', "state: /var/lib/breakwater", "state: ../there/")
MISSPELT = ("", "state: a\nstate: b", "state: no", "state: &a b", "state: [", "- state", "state: 5", "state: null")


@pytest.mark.parametrize("text", GOOD)
def test_as_the_whole(text: str, tmp_path: Path) -> None:
    """It is the folder that the whole configuration names."""
    file = tmp_path / "breakwater.yaml"
    file.write_text(f"limits: {{}}\n{text}\n")
    assert state_folder(file) == load(file).settings.state


def test_folder_of_files(tmp_path: Path) -> None:
    """It may stand in any one file of a folder, and is relative to that folder."""
    (tmp_path / "a.yaml").write_text("limits: {}\n")
    (tmp_path / "b.yaml").write_text("state: here\n")
    assert state_folder(tmp_path) == load(tmp_path).settings.state == tmp_path / "here"
    (tmp_path / "a.yaml").write_text("state: there\n")
    with pytest.raises(ConfigurationFault, match="stands in two files"):
        state_folder(tmp_path)


def test_wrong_meaning(tmp_path: Path) -> None:
    """What the rest of a file means is not asked, as a process runs by what it was started with."""
    file = tmp_path / "breakwater.yaml"
    file.write_text("state: here\nlimits: {body_bytes_max: none}\nagents: {ada: 1}\n")
    assert state_folder(file) == tmp_path / "here"
    with pytest.raises(ConfigurationFault):
        load(file)


@pytest.mark.parametrize("text", MISSPELT)
def test_misspelt(text: str, tmp_path: Path) -> None:
    """A file that two readers could read in two ways names no folder, and the place of the fault is told."""
    file = tmp_path / "breakwater.yaml"
    file.write_text(text)
    with pytest.raises(ConfigurationFault) as caught:
        state_folder(file)
    assert all(fault.file == str(file) and fault.message for fault in caught.value.faults)
    with pytest.raises(ConfigurationFault):
        load(file)


def test_no_file(tmp_path: Path) -> None:
    """A file that is not there is named, and how another one is."""
    with pytest.raises(ConfigurationFault, match="cannot be read") as caught:
        state_folder(tmp_path / "none.yaml")
    assert "--config FILE" in caught.value.faults[0].hint
