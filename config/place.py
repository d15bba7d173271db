"""
Where the state folder is: the one setting that a command needs to reach a running process, read alone.

A file that cannot be read or is misspelt is refused as ever. What else it means is not asked: a process runs by what it
was started with, and is reached whatever somebody has written since.
"""

from __future__ import annotations

from pathlib import Path

from config.faults import ConfigurationFault, Fault
from config.source import Source, merged, read_source

STATE = "breakwater-state"
"""The state folder's name where nobody wrote one."""

# Sections whose members may stand in several files of a folder.
BY_NAME = frozenset({"apis", "agents", "teams", "operators", "doors", "hosts"})


def read_files(path: Path) -> tuple[Source, Path]:
    """
    Return what the configuration at a path says, as one, and the folder that its relative paths start from.

    Raise `ConfigurationFault` where it cannot be read to its end.
    """
    files, folder = _files(path)
    source = merged([read_source(str(file), _bytes(file)) for file in files], BY_NAME)
    if not source.whole:
        raise ConfigurationFault(sorted(source.faults))
    return source, folder


def state_folder(path: Path) -> Path:
    """
    Return the state folder of the configuration at a path. Raise `ConfigurationFault` where it does not tell.
    """
    source, folder = read_files(path)
    if source.faults:
        raise ConfigurationFault(sorted(source.faults))
    written = source.value.get("state", STATE)
    if not isinstance(written, str):
        at = source.values["state",]
        raise ConfigurationFault([at.fault("this must be text", "`state` is the path of a folder")])
    return folder / written


def _files(path: Path) -> tuple[list[Path], Path]:
    if not path.is_dir():
        return [path], path.parent
    yaml = (file for file in path.iterdir() if file.suffix in {".yaml", ".yml"} and not file.name.startswith("."))
    files = sorted(yaml)
    if not files:
        raise ConfigurationFault([Fault(str(path), 0, 0, "the folder holds no YAML file", "its files end in `.yaml`")])
    return files, path


def _bytes(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        hint = "name the configuration with --config FILE or BREAKWATER_CONFIG"
        raise ConfigurationFault([Fault(str(file), 0, 0, f"cannot be read: {error.strerror}", hint)]) from None
