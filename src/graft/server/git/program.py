"""Questions that may take long, asked of the `git` program in a child process.

libgit2 holds Python's interpreter lock during nearly every call: a long one would have everybody
else of the process wait, and nothing could break it off. What is quick is asked of libgit2: a child
takes some milliseconds to start.
"""

import subprocess
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Timer
from typing import IO

import pygit2

from graft.errors import HubError
from graft.server.errors import BadRequestError
from graft.server.git.process import WITHIN_MEMORY, clean_environment, with_config

QUESTION_SECONDS = 30.0
"""The longest that one question may take."""
_PIECE_BYTES = 256 * 1024
EMPTY_TREE = "4b825dc642cb6eb9a060e54bf8d69288fbee4904"

_CONFIG = (
    "safe.directory=*",
    "core.bigFileThreshold=8m",  # longer files are not compared line by line
    "merge.directoryRenames=false",  # a file stays in the folder that it was added to
)


_Child = subprocess.Popen[bytes]


@dataclass(frozen=True)
class Answer:
    """What git printed, and the status that it ended with."""

    output: bytes
    status: int


def ask(repository: pygit2.Repository, *question: str, may_end: Collection[int] = (0,)) -> Answer:
    """Asks `git` about a repository, and reads all that it answers.

    Args:
        question: a command with its arguments.
        may_end: the statuses that are answers.

    Raises:
        BadRequestError: it takes longer than `QUESTION_SECONDS`, or more than `WITHIN_MEMORY`.
        HubError: it ended with another status; the message has what git said.
    """
    try:
        done = subprocess.run(
            _command(repository, question),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
            env=clean_environment(),
            timeout=QUESTION_SECONDS,
        )
    except subprocess.TimeoutExpired:
        raise too_long(question[0]) from None
    if done.returncode not in may_end:
        said = done.stderr.decode("utf-8", "replace").strip()
        if "memory" in said.lower():
            raise _too_much("more memory than it is given", question[0])
        raise _failed(repository, question[0], done.returncode, said[-500:])
    return Answer(done.stdout, done.returncode)


class Question:
    """A question whose answer is read as it comes."""

    def __init__(self, repository: pygit2.Repository, command: str, child: _Child) -> None:
        self.was_cut = False
        """Whether it took too long: what was read is not the whole answer."""
        self._repository = repository
        self._command = command
        self._child = child
        assert child.stdout is not None  # it was started with a pipe
        self.output: IO[bytes] = child.stdout

    def check_whole(self) -> None:
        """That what was read, to its end, is the whole answer.

        Raises:
            BadRequestError: it took longer than `QUESTION_SECONDS`.
            HubError: git ended with an error.
        """
        status = self._child.wait()
        if self.was_cut:
            raise too_long(self._command)
        if status:
            raise _failed(self._repository, self._command, status, "run it there to see why")

    def cut(self) -> None:
        """Ends the child: it took too long."""
        self.was_cut = True
        self._child.kill()


@contextmanager
def asked(
    repository: pygit2.Repository, *question: str, seconds: float | None = None
) -> Iterator[Question]:
    """Asks `git`; the child does not outlive the block, nor `seconds` (`QUESTION_SECONDS`): then
    the answer ends early, and `was_cut` says so."""
    child = subprocess.Popen(
        _command(repository, question),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=clean_environment(),
    )
    found = Question(repository, question[0], child)
    timer = Timer(QUESTION_SECONDS if seconds is None else seconds, found.cut)
    timer.start()
    try:
        with found.output:
            yield found
    finally:
        timer.cancel()
        child.kill()
        child.wait()


def ended(output: IO[bytes]) -> Iterator[bytes]:
    """What a child ends with NUL each time, one after another, as it comes."""
    rest = b""
    while chunk := output.read1(_PIECE_BYTES):  # type: ignore[attr-defined]
        *whole, rest = (rest + chunk).split(b"\0")
        yield from whole


def too_long(command: str) -> BadRequestError:
    """The error for a question that could not be answered in time."""
    return _too_much(f"longer than {QUESTION_SECONDS:.0f} seconds", command)


def _too_much(what: str, command: str) -> BadRequestError:
    return BadRequestError(f"This takes git {what}. Clone the repository and use `git {command}`.")


def _failed(repository: pygit2.Repository, command: str, status: int, said: str) -> HubError:
    return HubError(f"git {command} ended with status {status} in {repository.path}: {said}")


def _command(repository: pygit2.Repository, question: Collection[str]) -> list[str]:
    return [
        *WITHIN_MEMORY,
        *with_config(_CONFIG),
        f"--git-dir={repository.path}",
        "--literal-pathspecs",
        *question,
    ]
