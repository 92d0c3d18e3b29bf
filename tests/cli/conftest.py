"""Running the command line as a user does, and seeing what they see."""

import sys
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from graft.cli import main


@dataclass(frozen=True)
class Ran:
    """What a command gave: its exit code, standard output and standard error."""

    code: int
    out: str
    err: str


@pytest.fixture
def graft(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., Ran]:
    """Runs `graft` with arguments, in this process."""

    def run(*arguments: str) -> Ran:
        monkeypatch.setattr(sys, "argv", ["graft", *arguments])
        capsys.readouterr()
        with pytest.raises(SystemExit) as left:
            main()
        captured = capsys.readouterr()
        return Ran(int(left.value.code or 0), captured.out, captured.err)

    return run
