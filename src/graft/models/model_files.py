"""What a model's files say of it: its architecture, shape, task and labels."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from graft.errors import ModelError
from graft.files import read_settings
from graft.models.config import Config
from graft.models.families import FAMILIES, Family
from graft.models.heads import HEADS
from graft.models.labels import answers, check_labels, saved_labels, without_labels
from graft.models.sentence_files import PATTERNS, SentenceFiles, find_sentence_files
from graft.models.weights.file import WeightsFile
from graft.models.weights.find import fetch, open_weights
from graft.models.weights.llama2c import Llama2cFile, read_header

SENTENCE = "sentence-similarity"
_OTHERS = ("config.json", "generation_config.json", *PATTERNS)


class UnknownFamilyError(ModelError):
    """A model of an architecture that Graft does not have.

    Attributes:
        folder: Its files.
        settings: What its `config.json` says.
        embeds: Whether it is one for sentences.
    """

    def __init__(self, source: str, folder: Path, settings: dict[str, Any], embeds: bool) -> None:
        super().__init__(
            f"{source} is a model of type {settings.get('model_type')!r}, which Graft does not "
            f"have. It has: {', '.join(FAMILIES)}."
        )
        self.folder, self.settings, self.embeds = folder, settings, embeds


@dataclass(frozen=True)
class Files:
    """A model's files.

    Attributes:
        source: What the user called them.
        path: The `config.json`, or what says the same.
        settings: What it says.
        family: The architecture.
        task: The task of the saved head; None where there is none.
        labels: The names of its labels.
        open: Opens the weights.
        sentence: How texts are embedded, where a `modules.json` tells.
    """

    source: str
    path: Path
    settings: dict[str, Any]
    family: Family
    task: str | None
    labels: tuple[str, ...]
    open: Callable[[], WeightsFile]
    sentence: SentenceFiles | None = None

    def weights(self, task: str | None) -> WeightsFile:
        """The weights of a model for a task.

        Raises:
            ModelError: There are none, or their file is damaged or wants to run code.
        """
        if task == SENTENCE and self.sentence is not None:
            return self.sentence.weights()
        return self.open()

    def config(
        self, task: str | None, labels: Sequence[str] | None, several_labels: bool | None
    ) -> Config:
        """The shape of a model for a task.

        Raises:
            ModelError: A setting makes no sense, or means a model that Graft does not have, or
                models of its family have no head for the task.
        """
        try:
            shape = self.family.read_config(without_labels(self.settings))
        except ModelError as error:
            raise ModelError(f"{self.path}: {error}") from None
        shape = self._for_task(shape, task)
        names = tuple(labels or self.labels) if task else ()
        try:
            said = answers(self.settings, self.labels)
            if names and names == self.labels and task is not None:
                check_labels(names, task)
        except ModelError as error:
            raise ModelError(f"{self.path}: {error}") from None
        # Labels of one's own are classes, whatever the saved head gives.
        saved = task == self.task and names == self.labels != () and several_labels is None
        return replace(
            shape,
            labels=names,
            several_labels=said["several_labels"] if several_labels is None else several_labels,
            measures=said["measures"] and saved,
        )

    def _for_task(self, shape: Config, task: str | None) -> Config:
        if task != SENTENCE:
            shape = self.family.for_task(shape, task, self.settings.get("architectures") or ())
            self.family.architecture(task, shape)
            return shape
        shape = replace(shape, decoder=None) if self.family.encoders else shape
        return shape if self.sentence is None else replace(shape, sentence=self.sentence.read())


def find_files(source: str | Path, revision: str | None = None) -> Files:
    """The files of a folder or a repository, or a model of llama2.c, which is a file alone.

    Raises:
        HubError: `source` is neither a folder nor a repository that can be fetched.
        ModelError: There is no model in it, or none of an architecture that Graft has.
    """
    given = Path(source).expanduser()
    if given.suffix == ".bin" and given.is_file():
        return _of_llama2c(Llama2cFile(given))
    folder = fetch(source, _OTHERS, revision)
    sentence = find_sentence_files(folder)
    if sentence is not None:
        folder = sentence.transformer
    path = folder / "config.json"
    if not path.is_file():
        alone = [file for file in sorted(folder.glob("*.bin")) if read_header(file) is not None]
        if len(alone) > 1:
            names = ", ".join(file.name for file in alone)
            raise ModelError(f"{source} has several models: {names}. Give the path of one.")
        if alone:
            return _of_llama2c(Llama2cFile(alone[0]))
        raise ModelError(f"{source} is not a model: it has no config.json.")
    settings = read_settings(path)
    return _files(str(source), path, settings, lambda: open_weights(folder), sentence)


def _files(
    source: str,
    path: Path,
    settings: dict[str, Any],
    opener: Callable[[], WeightsFile],
    sentence: SentenceFiles | None = None,
) -> Files:
    family = FAMILIES.get(str(settings.get("model_type")))
    if family is None:
        raise UnknownFamilyError(source, path.parent, settings, sentence is not None)
    if settings.get("quantization_config"):
        raise ModelError(
            f"{path}: quantization_config says that the weights were quantised, which is not "
            "supported. Load the original."
        )
    try:
        task = _saved_task(settings, family) if sentence is None else SENTENCE
        labels = saved_labels(settings) if task is not None and HEADS[task].named else ()
    except ModelError as error:
        raise ModelError(f"{path}: {error}") from None
    return Files(source, path, settings, family, task, labels, opener, sentence)


def _of_llama2c(file: Llama2cFile) -> Files:
    return _files(str(file.path), file.path, file.header.settings(), lambda: file)


def _saved_task(settings: dict[str, Any], family: Family) -> str | None:
    saved = settings.get("architectures") or []
    if not isinstance(saved, str | list) or not all(isinstance(name, str) for name in saved):
        raise ModelError(f"architectures is {saved!r}, not a list of names of classes.")
    known = (*family.architectures.items(), *family.encoders.items())
    return next((task for task, name in known if name in saved), None)
