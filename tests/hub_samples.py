"""A small Hub with something on it: two models that run, a data set, and what goes wrong."""

import io
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from huggingface_hub import CommitOperationAdd, HfApi

from graft.models.config import Config
from graft.models.model import Model
from graft.server.running import RunningHub

LABELS = ("abbreviation", "description", "entity", "human", "location", "number")
OWNER = "maren"
PASSWORD = "a long enough password"

CARD = """---
language: en
license: apache-2.0
library_name: graft
pipeline_tag: text-classification
base_model: elsewhere/some-base
datasets: [maren/questions]
widget:
- text: Who wrote Hamlet?
- text: How far is the moon?
model-index:
- name: questions-tiny
  results:
  - task: {type: text-classification}
    dataset: {name: questions, type: maren/questions, split: test}
    metrics:
    - {type: accuracy, value: 0.9683, name: Accuracy}
---
# questions-tiny

It says what kind of answer a question asks for.

## How to use it

```python
import graft
```

| label | F1 |
|---|---:|
| human | 0.98 |

![a chart](https://outside.invalid/chart.png) ![a local chart](figures/chart.png)
[the notes](notes/method.md)

<script>window.hacked = true</script>
<img src="x" onerror="window.hacked = true">
<a href="javascript:window.hacked = true">do not click</a>
"""

PAIR_CARD = CARD.replace(
    "- text: Who wrote Hamlet?",
    "- text: A man sleeps.\n  text_pair: Somebody is awake.",
).replace("- text: How far is the moon?\n", "")

BASE_CARD = b"---\nlicense: mit\npipeline_tag: feature-extraction\n---\n# A base\n\nTo graft on.\n"
DATA_CARD = (
    "---\nlanguage: en\nlicense: cc-by-4.0\n---\n# Questions\n\nWith their answers' kinds.\n"
)
ROWS = 'text,label\nWho wrote Hamlet?,human\n"How far, <b>really</b>, is it?",number\n'


@dataclass(frozen=True)
class Garden:
    """A running Hub with the samples on it; `model` is the folder of the model that runs."""

    url: str
    token: str
    model: Path
    hub: RunningHub

    def push(self, repo_id: str, files: dict[str, bytes], kind: str = "model") -> None:
        """Commits files to a repository of the owner, created where it is missing."""
        api = HfApi(endpoint=self.url, token=self.token)
        api.create_repo(repo_id, repo_type=kind, exist_ok=True)
        operations = [
            CommitOperationAdd(path, io.BytesIO(content)) for path, content in files.items()
        ]
        api.create_commit(repo_id, operations, commit_message="Add files", repo_type=kind)

    @property
    def data_folder(self) -> Path:
        """Where the Hub keeps everything."""
        return self.hub.settings.data_folder


def make_model(folder: Path) -> Path:
    """Saves a BERT classifier of a few thousand random weights, with its tokenizer."""
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "?", "."]
    letters = [chr(code) for code in range(ord("a"), ord("z") + 1)]
    vocabulary = [*words, *letters, *(f"##{letter}" for letter in letters)]
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = Model(
            Config(
                family="bert",
                vocab_size=len(vocabulary),
                hidden_size=16,
                layers=1,
                heads=2,
                intermediate_size=32,
                max_positions=64,
                segments=2,
                init_std=0.5,
                labels=LABELS,
            ),
            task="text-classification",
        )
    model.save_pretrained(folder)
    (folder / "vocab.txt").write_text("\n".join(vocabulary) + "\n", encoding="utf-8")
    (folder / "tokenizer_config.json").write_text(
        json.dumps({"tokenizer_class": "BertTokenizer", "do_lower_case": True})
    )
    return folder


def body_only(files: dict[str, bytes]) -> dict[str, bytes]:
    """The files of the same model saved without its head."""
    config = json.loads(files["config.json"])
    config["architectures"] = ["BertModel"]
    for key in ("id2label", "label2id"):
        config.pop(key, None)
    return {**files, "config.json": json.dumps(config).encode()}


def contents(folder: Path) -> dict[str, bytes]:
    """The files of a folder, by name."""
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


@pytest.fixture(scope="session")
def garden(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Garden]:
    """The samples on a Hub for the whole session: tests add, and change only what is theirs."""
    model = make_model(tmp_path_factory.mktemp("model"))
    files = contents(model)
    with RunningHub(tmp_path_factory.mktemp("garden")) as hub:
        token = hub.add_user(OWNER, password=PASSWORD)
        garden = Garden(hub.url, token, model, hub)
        notes = {"notes/method.md": b"<script>alert(1)</script>\n"}
        garden.push(f"{OWNER}/questions-tiny", {"README.md": CARD.encode(), **files, **notes})
        garden.push(f"{OWNER}/pairs-tiny", {"README.md": PAIR_CARD.encode(), **files})
        garden.push(f"{OWNER}/no-weights", {"README.md": CARD.encode()})
        damaged = {**files, "model.safetensors": files["model.safetensors"][:5000]}
        garden.push(f"{OWNER}/damaged", {"README.md": CARD.encode(), **damaged})
        garden.push(f"{OWNER}/plain-base", {"README.md": BASE_CARD, **body_only(files)})
        data = {"README.md": DATA_CARD.encode(), "train.csv": ROWS.encode()}
        garden.push(f"{OWNER}/questions", data, "dataset")
        api = HfApi(endpoint=hub.url, token=token)
        api.create_repo(f"{OWNER}/empty")
        api.create_repo(f"{OWNER}/secret", private=True)
        garden.push(f"{OWNER}/secret", {"README.md": CARD.encode(), **files})
        yield garden
