"""The lines of code that a repository's page offers for using it."""

import json
import shlex
from dataclasses import dataclass

from graft.server.records import Kind, Repository
from graft.server.web.facts import Example


@dataclass(frozen=True)
class Snippet:
    """One way to use a repository."""

    title: str
    language: str
    code: str


def snippets(
    repository: Repository, hub_url: str, *, runnable: bool, example: Example
) -> list[Snippet]:
    """How to use `repository` of the Hub at `hub_url`.

    `runnable` says whether it is a model that answers questions as it is; `example` is what it
    may be asked.
    """
    if repository.kind is Kind.DATASET:
        ways = _data_set(repository.full_name)
    elif runnable:
        ways = _model(repository.full_name, repository.task or "", hub_url, example)
    else:
        ways = _base_model(repository.full_name)
    return [*ways, _git(repository, hub_url)]


def _model(name: str, task: str, hub_url: str, example: Example) -> list[Snippet]:
    text, pair = _quoted(example.text), _quoted(example.text_pair)
    ours = f"({text}, {pair})" if example.text_pair else text
    theirs = f'{{"text": {text}, "text_pair": {pair}}}' if example.text_pair else text
    graft = f'import graft\n\npipe = graft.pipeline("{name}")\npipe([{ours}])'
    transformers = (
        "from transformers import pipeline\n\n"
        f'pipe = pipeline("{task}", model="{name}")\npipe({theirs})'
    )
    return [
        Snippet("Graft", "python", graft),
        Snippet("transformers", "python", transformers),
        Snippet("curl", "sh", _curl(f"{hub_url}/infer/models/{name}", theirs)),
    ]


def _quoted(text: str | None) -> str:
    """`text` in double quotes, as both Python and JSON read it."""
    return json.dumps(text, ensure_ascii=False)


def _base_model(name: str) -> list[Snippet]:
    graft = (
        'import graft\n\ndata = graft.load_dataset("owner/questions")\n'
        f'learn = graft.Learner(\n    "text-classification",\n    data,\n    base="{name}",\n)\n'
        "learn.fit_one_cycle(3, 1e-4)"
    )
    transformers = (
        "from transformers import AutoModel, AutoTokenizer\n\n"
        f'tokenizer = AutoTokenizer.from_pretrained("{name}")\n'
        f'model = AutoModel.from_pretrained("{name}")'
    )
    return [
        Snippet("Graft: fine-tune it", "python", graft),
        Snippet("transformers", "python", transformers),
    ]


def _data_set(name: str) -> list[Snippet]:
    graft = f'import graft\n\ndata = graft.load_dataset("{name}")'
    datasets = f'from datasets import load_dataset\n\ndata = load_dataset("{name}")'
    return [Snippet("Graft", "python", graft), Snippet("datasets", "python", datasets)]


def _curl(address: str, inputs: str) -> str:
    body = shlex.quote(f'{{"inputs": {inputs}}}')
    return f"curl {address} \\\n  -H 'Content-Type: application/json' \\\n  -d {body}"


def _git(repository: Repository, hub_url: str) -> Snippet:
    return Snippet("git", "sh", f"git lfs install\ngit clone {hub_url}{repository.path}")
