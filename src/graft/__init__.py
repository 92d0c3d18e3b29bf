"""Graft: transfer learning for text, end to end, with a hub of your own.

The public names are imported lazily, so that ``import graft`` costs a fraction of a second and does
not load PyTorch.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from graft.data.dataset import Dataset
    from graft.data.dataset_dict import DatasetDict
    from graft.data.load import load_dataset
    from graft.data.loader import BatchLoader
    from graft.data.stream.dataset import StreamingDataset
    from graft.data.stream.loader import StreamLoader
    from graft.errors import GraftError
    from graft.hub.client import login, search_datasets, search_models, whoami
    from graft.models.batch import Batch
    from graft.models.families import Family, register_family
    from graft.models.model import Model, Output
    from graft.tasks.added_tokens import add_tokens
    from graft.tasks.pipeline import Pipeline, pipeline
    from graft.text.encoding import Encoding, TokenBatch
    from graft.text.tokenizer import Tokenizer
    from graft.train.callbacks import Callback
    from graft.train.learner import Learner

_HOMES = {
    "Batch": "graft.models.batch",
    "BatchLoader": "graft.data.loader",
    "Callback": "graft.train.callbacks",
    "Dataset": "graft.data.dataset",
    "DatasetDict": "graft.data.dataset_dict",
    "Encoding": "graft.text.encoding",
    "Family": "graft.models.families",
    "GraftError": "graft.errors",
    "Learner": "graft.train.learner",
    "Model": "graft.models.model",
    "Output": "graft.models.model",
    "Pipeline": "graft.tasks.pipeline",
    "StreamLoader": "graft.data.stream.loader",
    "StreamingDataset": "graft.data.stream.dataset",
    "TokenBatch": "graft.text.encoding",
    "Tokenizer": "graft.text.tokenizer",
    "add_tokens": "graft.tasks.added_tokens",
    "load_dataset": "graft.data.load",
    "login": "graft.hub.client",
    "pipeline": "graft.tasks.pipeline",
    "register_family": "graft.models.families",
    "search_datasets": "graft.hub.client",
    "search_models": "graft.hub.client",
    "whoami": "graft.hub.client",
}

__all__ = [
    "Batch",
    "BatchLoader",
    "Callback",
    "Dataset",
    "DatasetDict",
    "Encoding",
    "Family",
    "GraftError",
    "Learner",
    "Model",
    "Output",
    "Pipeline",
    "StreamLoader",
    "StreamingDataset",
    "TokenBatch",
    "Tokenizer",
    "__version__",
    "add_tokens",
    "load_dataset",
    "login",
    "pipeline",
    "register_family",
    "search_datasets",
    "search_models",
    "whoami",
]


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'graft' has no attribute {name!r}")
    value = getattr(import_module(home), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
