"""The journey that `graft demo` walks on a Hub of its own: find, fine-tune, prove, share, use."""

import json
import os
import secrets
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from graft.demo.announce import announce
from graft.demo.base_model import NAME, copy_model, packaged_model
from graft.demo.cells import Timing
from graft.errors import GraftError, HubError, MissingExtraError
from graft.hub.names import is_repo_id

OWNER = "demo"
QUESTIONS = Path(__file__).parent / "questions"
SCRIPTS = Path(__file__).parent / "scripts"

# What would lead the demo to the user's own hub, cache, token or settings.
_FOREIGN = ("HF_", "HUGGING_FACE_", "HUGGINGFACE_", "TRANSFORMERS_")
_PATIENCE = 10.0  # seconds for a process to end after it was interrupted


@dataclass(frozen=True)
class Journey:
    """What the demo did.

    Attributes:
        hub: The address of its Hub.
        user: The name to log in with on the Hub's pages.
        password: What goes with it.
        steps: How long each step took.
        seconds: How long all took, the start of Python processes included.
        figures: Accuracies between 0 and 1, and examples per second, by name.
        pages: The addresses of the model, the data set and the base model.
    """

    hub: str
    user: str
    password: str
    steps: list[Timing]
    seconds: float
    figures: dict[str, float]
    pages: dict[str, str]


@contextmanager
def journey(
    console: Console, *, base: Path | None = None, epochs: int = 4, port: int = 0
) -> Iterator[Journey]:
    """Walks the journey; its Hub runs until the block ends, and then nothing is left of it.

    Args:
        console: Where to tell what happens. The scripts' own output goes to standard output, or to
            standard error where the console does.
        base: The folder of the pretrained model; by default all-MiniLM-L6-v2.
        epochs: Passes over the training questions.
        port: The Hub's port; 0 for a free one.

    Raises:
        GraftError: A step failed; the message names it.
        MissingExtraError: What a Hub needs is not installed.
    """
    try:
        from graft.server.running import RunningHub
    except ModuleNotFoundError as error:
        raise MissingExtraError("The demo", "demo") from error

    started = time.perf_counter()
    base_id = f"{OWNER}/{NAME if base is None else _name(base)}"
    password = secrets.token_urlsafe(9)
    with tempfile.TemporaryDirectory(prefix="graft-demo-") as temporary:
        folder = Path(temporary)
        (folder / "temporary").mkdir()
        copy_model(base or packaged_model(), folder / "base")
        announce(console, 1, _START, _COMMANDS, "shell")
        with RunningHub(folder / "hub", port=port, name="Graft demo") as hub:
            token = hub.add_user(OWNER, password=password)
            console.print(f"The hub is at {hub.url}", markup=False)
            steps = [Timing(_START, time.perf_counter() - started)]
            walk = _Walk(folder, hub.url, token, console)
            arguments = (str(folder / "base"), base_id, str(QUESTIONS), str(epochs))
            learned = walk.run("fine_tune.py", 2, *arguments)
            steps += _timings(learned)
            used = walk.run("answer.py", len(steps) + 1)
            steps += _timings(used)
            yield Journey(
                hub=hub.url,
                user=OWNER,
                password=password,
                steps=steps,
                seconds=time.perf_counter() - started,
                figures=learned["figures"] | used["figures"],
                pages={
                    "model": f"{hub.url}/{OWNER}/question-sorter",
                    "data set": f"{hub.url}/datasets/{OWNER}/questions",
                    "base model": f"{hub.url}/{base_id}",
                },
            )


_START = "Start a hub of your own, and make an account"
_COMMANDS = f"""graft hub user add {OWNER}
graft hub serve
export HF_ENDPOINT=...  # the address that it prints
graft login             # with the token that was printed for the account"""


@dataclass(frozen=True)
class _Walk:
    """Runs the demo's scripts, each in a new process, with the demo's hub as theirs."""

    folder: Path
    url: str
    token: str
    console: Console

    def run(self, script: str, first: int, *arguments: str) -> dict[str, Any]:
        """Runs a script whose first step has the number `first`; returns its report."""
        report = self.folder / f"{script}.json"
        command = [sys.executable, "-m", "graft.demo.process", str(SCRIPTS / script)]
        output = sys.__stderr__ if self.console.stderr else sys.__stdout__
        _flush()
        with subprocess.Popen(
            [*command, str(report), str(first), *arguments],
            env=self._environment(),
            stdout=output,
            process_group=0,  # so that Ctrl-C comes to us alone, and to it once, from us
        ) as process:
            try:
                code = process.wait()
            except BaseException:
                _interrupt(process)
                raise
        return _read(report, script, code)

    def _environment(self) -> dict[str, str]:
        kept = {k: v for k, v in os.environ.items() if not k.startswith(_FOREIGN)}
        direct = ",".join(filter(None, ["127.0.0.1", kept.get("NO_PROXY", "")]))
        return kept | {
            "TMPDIR": str(self.folder / "temporary"),
            "HF_HOME": str(self.folder / "home"),
            "HF_ENDPOINT": self.url,
            "HF_TOKEN": self.token,
            "HF_HUB_DISABLE_PROGRESS_BARS": "1",
            "HF_HUB_DISABLE_TELEMETRY": "1",
            "NO_PROXY": direct,
            "no_proxy": direct,
            "PYTHONUNBUFFERED": "1",  # output and errors in their order, also into a file
            "COLUMNS": str(self.console.width),
            # Threads that wait by spinning make training ten times slower on a machine that has
            # other work to do; on an idle one, sleeping costs next to nothing.
            "OMP_WAIT_POLICY": kept.get("OMP_WAIT_POLICY", "PASSIVE"),
        }


def _interrupt(process: "subprocess.Popen[bytes]") -> None:
    """Ends a process as Ctrl-C does, so that it can put the terminal right; by force if it must."""
    process.send_signal(signal.SIGINT)
    try:
        process.wait(_PATIENCE)
    except subprocess.TimeoutExpired:
        process.kill()


def _read(report: Path, script: str, code: int) -> dict[str, Any]:
    """What a script reports.

    Raises:
        GraftError: A step failed.
        KeyboardInterrupt: The process was interrupted.
        RuntimeError: A step failed by a bug.
    """
    if code == 130:
        raise KeyboardInterrupt
    if not report.is_file():
        raise HubError(
            f"The demo's script {script} ended with exit code {code} and left no report. "
            "Was it stopped, or was there too little memory?"
        )
    found: dict[str, Any] = json.loads(report.read_text(encoding="utf-8"))
    where = f'Step "{found.get("step", "")}" failed: '
    if "error" in found:
        raise GraftError(where + found["error"])
    if "bug" in found:
        raise RuntimeError(where + found["bug"])
    return found


def _timings(report: Mapping[str, Any]) -> list[Timing]:
    return [Timing(**step) for step in report["steps"]]


def _name(folder: Path) -> str:
    """The name of a folder, where a repository may have it."""
    name = folder.resolve().name
    return name if is_repo_id(f"{OWNER}/{name}") else "base-model"


def _flush() -> None:
    """Prints what waits to be printed, before another process prints to the same place."""
    sys.stdout.flush()
    sys.stderr.flush()
