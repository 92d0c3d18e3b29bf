"""Promises about the project itself: quick to import, everything pinned, one set of commands."""

import importlib
import os
import pkgutil
import re
import subprocess
import sys
import tomllib
from itertools import chain
from pathlib import Path

import pytest

import graft

ROOT = Path(__file__).parents[1]
HEAVY = {
    "datasets",
    "duckdb",
    "fastapi",
    "huggingface_hub",
    "numpy",
    "pandas",
    "pyarrow",
    "sqlalchemy",
    "tokenizers",
    "torch",
    "torchmetrics",
    "transformers",
}


def modules_after(code: str) -> set[str]:
    """The modules that a fresh Python has loaded after running some code."""
    ran = subprocess.run(
        [sys.executable, "-c", f"{code}\nimport sys; print(*sys.modules)"],
        capture_output=True,
        text=True,
        check=True,
    )
    return set(ran.stdout.splitlines()[-1].split())


def test_importing_graft_loads_nothing_heavy() -> None:
    assert not modules_after("import graft") & HEAVY


@pytest.mark.parametrize("arguments", [[], ["hub"], ["search", "models"]])
def test_help_loads_nothing_heavy(arguments: list[str]) -> None:
    code = (
        f"import sys; sys.argv = ['graft', *{arguments}, '--help']\n"
        "from graft.cli import main\n"
        "try:\n    main()\nexcept SystemExit as left:\n    assert not left.code, left.code"
    )
    assert not modules_after(code) & HEAVY


@pytest.mark.parametrize("name", graft.__all__)
def test_every_public_name_is_there(name: str) -> None:
    assert getattr(graft, name) is not None


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match=r"module 'graft' has no attribute 'nonsense'"):
        graft.nonsense  # noqa: B018


MODULES = [
    found.name
    for found in pkgutil.walk_packages(graft.__path__, "graft.")
    if ".migrations." not in found.name  # scripts that Alembic runs
]


@pytest.mark.parametrize("module", MODULES)
def test_every_module_can_be_imported(module: str) -> None:
    importlib.import_module(module)


def test_everything_that_is_installed_is_pinned() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    extras = project["project"]["optional-dependencies"].values()
    groups = project["dependency-groups"].values()
    wanted = [*project["project"]["dependencies"], *chain(*extras, *groups)]
    pins = dict(
        line.lower().replace("_", "-").split("==")
        for line in (ROOT / "constraints.txt").read_text().splitlines()
        if not line.startswith("#")
    )

    names = {re.split(r"[\[<>=~ ]", each)[0].lower().replace("_", "-") for each in wanted}
    assert names - {"graft-nlp"} <= pins.keys()
    assert pins["torch"] == "2.13.0"
    assert not [name for name in pins if name.startswith("nvidia")]


def test_the_commands_of_the_readme_are_targets_of_make() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert {"demo", "test", "lint", "bench", "docs", "clean"} <= targets
    for document in ("README.md", "CONTRIBUTING.md"):
        text = (ROOT / document).read_text()
        assert set(re.findall(r"`make ([a-z-]+)", text)) <= targets


def test_the_checks_end_with_the_tests_own_last_line() -> None:
    script = ROOT / ".ci" / "run"
    assert os.access(script, os.X_OK)
    assert script.read_text().splitlines()[-2:] == ["make lint", "make test"]
