"""Running the models of a Hub's repositories: a few of them stay loaded, the rest wait on disk."""

import asyncio
import logging
from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from graft.errors import GraftError
from graft.server.errors import BadContentError, RefusedError
from graft.server.hub import Hub
from graft.server.inference.checkout import ModelFiles, materialise, needed_files
from graft.server.inference.questions import Question, Questions
from graft.server.records import Repository

if TYPE_CHECKING:
    from graft.tasks.pipeline import Pipeline
    from graft.tasks.text_classification import Prediction

MAX_NORMALIZED_BYTES = 256 * 1024**2
"""What a model's tokenizer may make of the texts of one request: it can be anybody's."""

log = logging.getLogger(__name__)


class BusyError(RefusedError):
    """More work than this Hub does at once, or a model that takes too long."""

    status = 503

    def __init__(self, message: str) -> None:
        super().__init__(message, headers={"Retry-After": "10"})


@dataclass(frozen=True)
class Score:
    """How sure a model is of one label, from 0 to 1."""

    label: str
    score: float


@dataclass
class _Slot:
    """The place of one commit of one model; its lock lets one request at a time load or run it."""

    size: int
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    pipeline: "Pipeline | None" = None
    broken: str | None = None
    """Why it cannot be loaded, once that was tried."""


class InferenceService:
    """Runs models for requests without ever blocking the event loop.

    At most `max_models` stay loaded, whose weights take at most `max_bytes` together; the one used
    longest ago goes first. Not more than `max_waiting` requests are taken in at a time.
    """

    def __init__(
        self,
        cache: Path,
        *,
        max_models: int = 4,
        max_bytes: int = 2 * 1024**3,
        max_waiting: int = 16,
        timeout: float = 60.0,
    ) -> None:
        self.cache = cache
        self.max_models = max_models
        self.max_bytes = max_bytes
        self.max_waiting = max_waiting
        self.timeout = timeout
        self._slots: OrderedDict[tuple[int, str], _Slot] = OrderedDict()
        self._waiting = 0
        self._workers = ThreadPoolExecutor(max_workers=2, thread_name_prefix="inference")

    @property
    def loaded(self) -> int:
        """How many models are in memory."""
        return sum(slot.pipeline is not None for slot in self._slots.values())

    async def scores(
        self, hub: Hub, repository: Repository, questions: Questions
    ) -> list[list[Score]]:
        """For each question, the labels of `repository`'s model, the surest first.

        Raises:
            BadContentError: the repository holds no model that can be run; the message says why.
            BusyError: too many requests, or no answer within the time limit.
        """
        if self._waiting >= self.max_waiting:
            raise BusyError("Many people are asking this Hub's models now: try again in a moment.")
        self._waiting += 1
        job = asyncio.create_task(self._answer(hub, repository, questions.items))
        job.add_done_callback(self._finished)
        try:
            predictions = await asyncio.wait_for(asyncio.shield(job), self.timeout)
        except TimeoutError:
            raise BusyError(
                f"{repository.full_name} gave no answer within {self.timeout:.0f} seconds. "
                "It may still be loading: try again in a moment."
            ) from None
        return [_best(prediction.scores, questions.top_k) for prediction in predictions]

    def close(self) -> None:
        """Lets go of the models and the worker threads."""
        self._slots.clear()
        self._workers.shutdown(wait=False, cancel_futures=True)

    def _finished(self, job: "asyncio.Task[list[Prediction]]") -> None:
        """A job ends here even when its request gave up: then this is who reads its error."""
        self._waiting -= 1
        error = None if job.cancelled() else job.exception()
        if error is not None and not isinstance(error, GraftError):
            log.error("Running a model failed", exc_info=error)

    async def _answer(
        self, hub: Hub, repository: Repository, questions: tuple[Question, ...]
    ) -> "list[Prediction]":
        files = await asyncio.to_thread(needed_files, hub, repository)
        slot = self._slot(repository, files)
        async with slot.lock:
            if slot.pipeline is None:
                slot.pipeline = await self._load(slot, hub, repository, files)
            run = asyncio.get_running_loop().run_in_executor
            try:
                return await run(self._workers, _predict, slot.pipeline, questions)
            except GraftError as error:
                raise BadContentError(str(error)) from error

    def _slot(self, repository: Repository, files: ModelFiles) -> _Slot:
        """The model's slot, made the most recent one; others leave where there is no room."""
        size = files.size
        if size > self.max_bytes:
            raise BadContentError(
                f"{repository.full_name} has {size / 1e9:.1f} GB of files; this Hub runs models of "
                f"up to {self.max_bytes / 1e9:.1f} GB. Download it to run it on a machine of yours."
            )
        key = (repository.id, files.commit)
        slot = self._slots.setdefault(key, _Slot(size))
        self._slots.move_to_end(key)
        while len(self._slots) > self.max_models or self._bytes() > self.max_bytes:
            self._slots.popitem(last=False)
        return slot

    def _bytes(self) -> int:
        return sum(slot.size for slot in self._slots.values())

    async def _load(
        self, slot: _Slot, hub: Hub, repository: Repository, files: ModelFiles
    ) -> "Pipeline":
        if slot.broken is not None:
            raise BadContentError(slot.broken)
        folder = await materialise(hub, repository, files, self.cache)
        run = asyncio.get_running_loop().run_in_executor
        try:
            return await run(self._workers, _load_pipeline, folder)
        except GraftError as error:
            reason = str(error).replace(f"{folder}/", "").replace(str(folder), repository.full_name)
            slot.broken = f"{repository.full_name} cannot be run: {reason}"
            raise BadContentError(slot.broken) from error


def _load_pipeline(folder: Path) -> "Pipeline":
    # PyTorch takes seconds to import: only a Hub that runs models pays for it.
    from graft.tasks.pipeline import pipeline

    return pipeline(str(folder))


def _predict(pipe: "Pipeline", questions: tuple[Question, ...]) -> "list[Prediction]":
    texts = [text for item in questions for text in (item.text, item.text_pair) if text is not None]
    grown = pipe.tokenizer.longest_normalized(*(len(text.encode()) for text in texts))
    if grown > MAX_NORMALIZED_BYTES:
        raise BadContentError(
            f"The model's tokenizer could make {grown} bytes of these texts; at most "
            f"{MAX_NORMALIZED_BYTES} are. Send shorter texts, or fewer."
        )
    pairs = [(item.text, item.text_pair) for item in questions if item.text_pair is not None]
    if pairs:
        return pipe(pairs)
    return pipe([item.text for item in questions])


def _best(scores: dict[str, float], top_k: int | None) -> list[Score]:
    ranked = sorted(scores.items(), key=lambda item: item[1], reverse=True)
    return [Score(label, score) for label, score in ranked[:top_k]]
