from __future__ import annotations

from pathlib import Path

import pytest

from tests.starts.installed import SECRET, Installed


@pytest.fixture
def here(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Installed:
    """
    Give a good installation, with its credential in the environment.
    """
    monkeypatch.setenv("STRIPE_SECRET", SECRET)
    return Installed(tmp_path, capsys)
