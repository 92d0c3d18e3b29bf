"""The README, the tutorials and the concepts: their Python runs, and their commands exist."""

import json
import os
import re
import shlex
import subprocess
import sys
import textwrap
import tomllib
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from graft.cli.app import app
from graft.demo.journey import QUESTIONS
from graft.models.families import FAMILIES
from graft.server.running import RunningHub

ROOT = Path(__file__).parents[2]
DOCUMENTS = [
    ROOT / "README.md",
    ROOT / "docs" / "index.md",
    *sorted((ROOT / "docs" / "tutorial").glob("*.md")),
    *sorted((ROOT / "docs" / "concepts").glob("*.md")),
]
# Indented by the same as its fence, for blocks inside a tab.
BLOCK = re.compile(r"^( *)```(\w*)\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
REVIEWS = "text,label\n" + "The room was clean.,praise\nNever again.,complaint\n" * 20


def blocks(document: Path, language: str) -> list[str]:
    """The blocks of code of a document that are in a language."""
    found = BLOCK.findall(document.read_text(encoding="utf-8"))
    return [textwrap.dedent(code) for _, kind, code in found if kind == language]


def name(document: Path) -> str:
    return document.relative_to(ROOT).as_posix()


RUN = """
import json, sys, traceback

failures = []
for code in json.load(sys.stdin):
    try:
        exec(code, {"__name__": "__main__"})
    except Exception:
        failures.append(traceback.format_exc())
    else:
        failures.append("")
json.dump(failures, open("failures.json", "w"))
"""

PREPARE = """
import graft
from graft.hub.client import push_folder

push_folder("path/to/all-MiniLM-L6-v2", "me/minilm", message="The base model")
graft.load_dataset("path/to/questions").push_to_hub("me/questions")
learn = graft.Learner("text-classification", "me/questions", base="me/minilm", progress=False)
learn.fit(1)
learn.push_to_hub("me/question-sorter")
"""


@pytest.fixture(scope="module")
def failures(tmp_path_factory: pytest.TempPathFactory, base: Path) -> dict[str, str]:
    """What went wrong with the Python of each document, "" for nothing.

    Whoever runs it is called me, and has the repositories, folders and files that the documents
    speak of. All run in one process of their own, so that PyTorch is loaded once.
    """
    folder = tmp_path_factory.mktemp("reader")
    (folder / "reviews.csv").write_text(REVIEWS)
    (folder / "path" / "to").mkdir(parents=True)
    (folder / "path" / "to" / "all-MiniLM-L6-v2").symlink_to(base)
    (folder / "path" / "to" / "questions").symlink_to(QUESTIONS)
    scripts = {name(document): "\n".join(blocks(document, "python")) for document in DOCUMENTS}
    with RunningHub(tmp_path_factory.mktemp("hub")) as hub:
        own = {
            "HF_HOME": str(folder / "home"),
            "HF_ENDPOINT": hub.url,
            "HF_TOKEN": hub.add_user("me"),
        }
        subprocess.run(
            [sys.executable, "-c", RUN],
            cwd=folder,
            env=os.environ | own,
            input=json.dumps([PREPARE, *scripts.values()]),
            capture_output=True,
            text=True,
            check=True,
            timeout=250,
        )
    prepared, *found = json.loads((folder / "failures.json").read_text())
    assert prepared == ""
    return dict(zip(scripts, found, strict=True))


@pytest.mark.parametrize("document", [name(d) for d in DOCUMENTS if blocks(d, "python")])
def test_the_python_of_a_document_runs(failures: dict[str, str], document: str) -> None:
    assert failures[document] == ""


def commands() -> list[tuple[str, str]]:
    """Every `graft ...` of every document, with the document's name."""
    return [
        (name(document), line.strip())
        for document in DOCUMENTS
        for code in blocks(document, "")
        for line in code.splitlines()
        if line.strip().removeprefix("$ ").startswith("graft ")
    ]


@pytest.mark.parametrize(("document", "line"), commands())
def test_the_commands_of_a_document_exist(document: str, line: str) -> None:
    words = shlex.split(line.removeprefix("$ "), comments=True)[1:]
    command: Any = get_command(app)
    while hasattr(command, "commands"):
        command = command.commands[words.pop(0)]
    options = {option for parameter in command.params for option in parameter.opts}
    used = {word for word in words if word.startswith("--")}
    assert used <= options
    needed = sum(p.required for p in command.params if p.param_type_name == "argument")
    assert len([word for word in words if not word.startswith("-")]) >= needed


def test_every_page_is_in_the_contents() -> None:
    contents = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    pages = [path.relative_to(ROOT / "docs").as_posix() for path in ROOT.glob("docs/**/*.md")]
    assert [page for page in pages if f": {page}" not in contents] == []


def test_every_dependency_is_explained() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"].values()
    wanted = [each for group in (project["dependencies"], *extras) for each in group]
    page = (ROOT / "docs" / "dependencies.md").read_text(encoding="utf-8")
    listed = {
        cell.strip()
        for row in re.findall(r"^\| (.+?) \|", page, re.MULTILINE)
        for cell in row.split(",")
    }
    names = {re.split(r"[<>=\[]", each)[0] for each in wanted} - {"graft-nlp"}
    assert listed - {"package", "---"} == names


def test_every_architecture_is_listed_with_its_heads() -> None:
    page = (ROOT / "docs" / "concepts" / "models.md").read_text(encoding="utf-8")
    table = page[page.index("## Architectures") : page.index("## One block")]
    listed = dict(re.findall(r"^\| .+ \| `(.+)` \| (.+) \|$", table, re.MULTILINE))
    assert listed.pop("model_type") == "heads"
    assert listed == {
        family.name: ", ".join(sorted({*family.architectures, *family.encoders} - {None}))
        for family in FAMILIES.values()
    }


@pytest.mark.parametrize("example", sorted((ROOT / "examples").glob("*.py")), ids=lambda p: p.stem)
def test_an_example_runs(example: Path, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, str(example)], cwd=tmp_path, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith("(5, 6, 7, 8, 9)\n(1, 2, 3, 4, 5)\n")
