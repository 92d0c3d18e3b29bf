"""Fingerprints: equal for what a function cannot tell apart, different for everything else."""

import copy
import json
import os
import pickle
import subprocess
import sys
import textwrap
import time
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graft.data.fingerprint import digest, file_digest, parts_of_function
from graft.errors import DataError

# One of everything that a function can lean on; each line of `CHANGES` changes one character of it.
SOURCE = """
import dataclasses, enum, functools, math, re
import numpy as np

LIMIT = 3
WORDS = {"the", "a"}
TABLE = {"x": [1, 2], "y": None}
PATTERN = re.compile("a+", re.I)
ARRAY = np.arange(3)


class Size(enum.Enum):
    SMALL = 1
    LARGE = 22


@dataclasses.dataclass
class Options:
    lower: bool = True
    names: list = dataclasses.field(default_factory=lambda: ["n"])


class Base:
    step = 5

    def strip(self, text):
        return text.strip(".")


class Cleaner(Base):
    def __init__(self, mark):
        self.mark = mark

    def __call__(self, row):
        return {"text": self.strip(row["text"]) + self.mark}

    @property
    def own(self):
        return "own"

    @staticmethod
    def fixed():
        return "fixed"

    @functools.cached_property
    def slow(self):
        return "slow"


def even(n):
    return n == 0 or odd(n - 1)


def odd(n):
    return n != 0 and even(n - 1)


def helper(text, *, times=7):
    return text * times


@functools.lru_cache
def remembered(text):
    return text + "remembered"


@functools.wraps(helper)
def wrapper(text):
    return helper(text) + "wrapped"


def make(limit, options):
    def clean(row, width=80, *, fill=" "):
        import json
        from collections import Counter
        text = row["text"].lower()[:limit]
        kept = [word for word in text.split() if word not in WORDS and len(word) > LIMIT]
        inner = lambda value: value + "inner"
        try:
            found = PATTERN.sub("-", text) if text in {"p", "q"} else TABLE["x"]
        except ValueError:
            found = np.char.upper(text)
        return {"text": text.ljust(width, fill), "kept": kept, "more": (
            inner, found, math.floor(1.5), ARRAY, Size.SMALL, options, Options(),
            Cleaner("!").own, even(4), remembered(text), wrapper(text), json, Counter)}
    return clean


clean = make(100, Options(names=["given"]))
called = Cleaner("?")
method = called.strip
partly = functools.partial(helper, times=9)
"""

CHANGES = [
    ("clean", "LIMIT = 3", "LIMIT = 4", "global LIMIT of clean"),
    ("clean", '"the", "a"', '"the", "b"', "global WORDS of clean"),
    ("clean", '"x": [1, 2]', '"x": [1, 3]', "global TABLE of clean"),
    ("clean", '"a+"', '"b+"', "global PATTERN of clean"),
    ("clean", "re.I", "re.M", "global PATTERN of clean"),
    ("clean", "arange(3)", "arange(4)", "global ARRAY of clean"),
    ("clean", "SMALL = 1", "SMALL = 2", "class Size"),
    ("clean", "LARGE = 22", "LARGE = 23", "class Size"),
    ("clean", "lower: bool = True", "lower: bool = None", "lower of class Options"),
    ("clean", '["n"]', '["m"]', "code of Options.lambda"),
    ("clean", '"own"', '"o.n"', "code of Cleaner.own"),
    ("clean", '"fixed"', '"fixes"', "code of Cleaner.fixed"),
    ("clean", '"slow"', '"flow"', "code of Cleaner.slow"),
    ("clean", "n == 0 or", "n == 1 or", "code of even"),
    ("clean", "n != 0 and", "n != 1 and", "code of odd"),
    ("clean", "n != 0 and", "n >= 0 and", "code of odd"),
    ("clean", '"remembered"', '"Remembered"', "code of remembered"),
    ("clean", '"wrapped"', '"Wrapped"', "code of wrapper"),
    ("clean", "times=7", "times=8", "default of times of helper"),
    ("clean", "make(100,", "make(101,", "captured variable limit of clean"),
    ("clean", '["given"]', '["gave!"]', "attribute names of Options()"),
    ("clean", "width=80", "width=81", "default of width of clean"),
    ("clean", 'fill=" "', 'fill="_"', "default of fill of clean"),
    ("clean", 'row["text"].lower', 'row["next"].lower', "code of clean"),
    ("clean", ".lower()", ".upper()", "code of clean"),
    ("clean", "word not in WORDS", "word in WORDS", "code of clean"),
    ("clean", "> LIMIT", "< LIMIT", "code of clean"),
    ("clean", '"inner"', '"other"', "code of clean"),
    ("clean", '{"p", "q"}', '{"p", "r"}', "code of clean"),
    ("clean", "import json", "import copy", "import of copy in clean"),
    ("clean", "import Counter", "import deque", "import of collections deque in clean"),
    ("clean", "math.floor", "math.ceil", "global math of clean"),
    ("clean", "np.char.upper", "np.char.lower", "global np of clean"),
    ("clean", "except ValueError", "except KeyError", "global KeyError of clean"),
    ("clean", "Size.SMALL", "Size.LARGE", "code of clean"),
    ("called", 'Cleaner("?")', 'Cleaner("!")', "attribute mark of Cleaner()"),
    ("called", "+ self.mark", "* self.mark", "code of Cleaner.__call__"),
    ("called", 'strip(".")', 'strip(",")', "code of Base.strip"),
    ("called", "step = 5", "step = 6", "step of class Base"),
    ("called", "class Cleaner(Base)", "class Cleaner(Base, Options)", "class Cleaner"),
    ("method", 'Cleaner("?")', 'Cleaner("!")', "attribute mark of Cleaner()"),
    ("method", 'strip(".")', 'strip(",")', "code of Base.strip"),
    ("partly", "times=9", "times=8", "what is called"),
    ("partly", "text * times", "text + times", "code of helper"),
]


def loaded(source: str, name: str = "prepared", filename: str = "prepared.py") -> Any:
    """A module of the user's with this source."""
    module = ModuleType(name)
    exec(compile(source, filename, "exec"), vars(module))
    return module


@pytest.fixture(scope="module")
def before() -> dict[str, dict[str, str]]:
    """The parts of each function of the unchanged source."""
    module = loaded(SOURCE)
    names = ("clean", "called", "method", "partly")
    return {name: parts_of_function(getattr(module, name)) for name in names}


@pytest.mark.parametrize(
    ("name", "old", "new", "part"), CHANGES, ids=[f"{c[0]}: {c[1]} > {c[2]}" for c in CHANGES]
)
def test_a_changed_character_changes_the_part_that_it_is_in(
    before: dict[str, dict[str, str]], name: str, old: str, new: str, part: str
) -> None:
    assert old in SOURCE
    module = loaded(SOURCE.replace(old, new))
    after = parts_of_function(getattr(module, name))
    changed = {key for key in {**before[name], **after} if before[name].get(key) != after.get(key)}
    assert f"function: {part}" in changed
    assert digest(getattr(module, name)) != digest(getattr(loaded(SOURCE), name))


@pytest.mark.parametrize(
    "same",
    [
        SOURCE,
        "# a comment\n\n\n" + SOURCE,
        SOURCE.replace("return clean", "return clean  # as it is"),
        SOURCE.replace("        kept =", "\n\n        kept ="),
        SOURCE.replace('"x": [1, 2], "y": None', '"x":[1,2],"y":None'),
        SOURCE.replace('{"the", "a"}', '{"a", "the"}'),
        SOURCE.replace('"given"', "'given'"),
        SOURCE.replace("def make(", "UNUSED = 1\n\n\ndef make("),
    ],
)
def test_comments_lines_and_what_is_not_used_do_not_count(
    before: dict[str, dict[str, str]], same: str
) -> None:
    module = loaded(same, "elsewhere", "/another/folder/elsewhere.py")
    for name, parts in before.items():
        assert parts_of_function(getattr(module, name)) == parts


def test_running_a_function_does_not_change_its_fingerprint() -> None:
    module = loaded(SOURCE)
    first = digest(module.clean)
    for _ in range(1000):  # enough for the interpreter to rewrite its bytecode
        module.even(10)
        module.clean({"text": "p the word"})
    assert digest(module.clean) == first


SCRIPT = """
import json, sys
sys.path.insert(0, sys.argv[1])
from graft.data.fingerprint import digest, parts_of_function
import prepared
names = ("clean", "called", "method", "partly")
parts = {name: parts_of_function(getattr(prepared, name)) for name in names}
print(json.dumps([parts, digest([prepared.clean, {"a", "b", ("c", 1)}])]))
"""


def test_fingerprints_are_those_of_other_processes(tmp_path: Path) -> None:
    told = []
    for seed, folder, extra in (("0", "a", ""), ("1", "b/c", "# more\n\n"), ("2", "d", "\n")):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "prepared.py").write_text(extra + SOURCE)
        ran = subprocess.run(
            [sys.executable, "-c", SCRIPT, str(tmp_path / folder)],
            env={**os.environ, "PYTHONHASHSEED": seed},
            cwd=tmp_path / folder,
            capture_output=True,
            text=True,
            check=True,
        )
        told.append(json.loads(ran.stdout))
    assert told[0] == told[1] == told[2]
    assert told[0][0] == {
        name: parts_of_function(getattr(loaded(SOURCE), name)) for name in told[0][0]
    }


def test_a_module_beside_the_script_is_followed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "tools_of_test").mkdir()
    (tmp_path / "tools_of_test" / "__init__.py").write_text("from tools_of_test import words\n")
    code = """
        import tools_of_test
        import tools_of_test.words as w
        def by_module(row): return tools_of_test.words.clean(row)
        def by_name(row): return w.clean(row)
        def inside(row):
            from tools_of_test.words import clean
            return clean(row)
        def whole(row):
            import tools_of_test.words
            return tools_of_test.words.clean(row)
    """
    seen: dict[str, set[str]] = {}
    for mark in ("x", "y", "x"):
        (tmp_path / "tools_of_test" / "words.py").write_text(
            f"MARK = {mark!r}\ndef clean(row): return row + MARK\n"
        )
        for name in list(sys.modules):
            if name.startswith("tools_of_test"):
                del sys.modules[name]
        # The file may be younger than the clock's tick: what was compiled of it is not asked for.
        monkeypatch.setattr(sys, "dont_write_bytecode", True)
        module = loaded(textwrap.dedent(code))
        for name in ("by_module", "by_name", "inside", "whole"):
            seen.setdefault(name, set()).add(digest(getattr(module, name)))
    assert {name: len(digests) for name, digests in seen.items()} == {
        "by_module": 2, "by_name": 2, "inside": 2, "whole": 2
    }  # fmt: skip


IMPORTING = """
import sys
if sys.argv[1]:
    import colorsys, polars.io, yaml, jinja2.sandbox
from graft.data.fingerprint import digest
def clean(row):
    import colorsys, yaml
    import polars.io
    from jinja2.sandbox import SandboxedEnvironment
    from missing_of_test import nothing
    return row
print(digest(clean), "polars" in sys.modules)
"""


def test_what_is_loaded_already_makes_no_difference() -> None:
    def told(given: str) -> list[str]:
        command = [sys.executable, "-c", IMPORTING, given]
        ran = subprocess.run(command, capture_output=True, text=True, check=True)
        return ran.stdout.split()

    (with_them, loaded), (without, not_loaded) = told("yes"), told("")
    assert (loaded, not_loaded) == ("True", "False")  # nothing is imported to look at it
    assert with_them == without


def test_a_module_that_is_named_as_one_of_python_s_is_the_user_s(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = set()
    for mark in ("one", "two"):
        folder = tmp_path / mark
        folder.mkdir()
        (folder / "sndhdr.py").write_text(f"MARK = {mark!r}\ndef clean(row): return row + MARK\n")
        script = (
            "import sndhdr; from graft.data.fingerprint import digest; print(digest(sndhdr.clean))"
        )
        ran = subprocess.run(
            [sys.executable, "-c", script],
            env={**os.environ, "PYTHONPATH": str(folder)},
            capture_output=True,
            text=True,
            check=True,
        )
        seen.add(ran.stdout)
    assert len(seen) == 2


plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4) | st.binary(),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.tuples(inner, inner)
        | st.dictionaries(st.text(max_size=3) | st.integers(), inner, max_size=4)
        | st.frozensets(st.text(max_size=3) | st.integers(), max_size=4)
    ),
    max_leaves=12,
)


def told(value: Any) -> Any:
    """A value in a form that tells types, orders and bits apart."""
    if isinstance(value, dict):
        return ["dict", [[told(key), told(item)] for key, item in value.items()]]
    if isinstance(value, frozenset):
        return ["frozenset", sorted(repr(told(item)) for item in value)]
    if isinstance(value, list | tuple):
        return [type(value).__name__, [told(item) for item in value]]
    return [type(value).__name__, value.hex() if isinstance(value, float) else repr(value)]


@given(plain, plain)
@settings(max_examples=200)
def test_values_have_one_digest_only_if_they_are_the_same(one: Any, other: Any) -> None:
    assert (digest(one) == digest(other)) == (told(one) == told(other))
    assert digest(copy.deepcopy(one)) == digest(one)
    assert digest(pickle.loads(pickle.dumps(one))) == digest(one)
    assert digest([one, one]) == digest([one, copy.deepcopy(one)])


@pytest.mark.parametrize(
    "values",
    [
        (1, True, 1.0, "1", b"1", [1], (1,), {1}, frozenset({1}), {1: 1}, range(1), 1j, None),
        (["a", "b"], ["ab"], ["a", ["b"]], [["a"], "b"], ("a", "b"), "ab", {"a": "b"}, ["b", "a"]),
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}),
        (0.0, -0.0, float("nan"), float("inf")),
        (int, str, list[int], list[str], int | str, int | None, Path, ModuleType),
        (len, sorted, str.lower, str.upper, "a".lower, "b".lower, json.dumps, json.loads),
        (Path("a"), "a", Path("b"), Path("a/b")),
    ],
)
def test_what_is_alike_but_not_the_same_differs(values: tuple[Any, ...]) -> None:
    assert len({digest(value) for value in values}) == len(values)


def test_cycles_end() -> None:
    items: list[Any] = [1]
    items.append(items)
    other: list[Any] = [1, [1]]
    assert digest(items) == digest(copy.deepcopy(items)) != digest(other)

    class Node:
        def __init__(self, name: str) -> None:
            self.name = name
            self.beside: set[Node] = set()

    def ring(last: str) -> Node:
        nodes = [Node(name) for name in ("a", "b", last)]
        for one, other in zip(nodes, [*nodes[1:], nodes[0]], strict=True):
            one.beside.add(other)
        return nodes[0]

    assert digest(ring("c")) == digest(ring("c")) != digest(ring("d"))


def test_an_object_can_tell_its_own() -> None:
    class Client:
        def __init__(self, url: str) -> None:
            self.url = url
            self.file = sys.stdout

        def __graft_fingerprint__(self) -> str:
            return self.url

    assert digest(Client("a")) == digest(Client("a")) != digest(Client("b"))


def test_paths_count_with_the_content_of_their_files(tmp_path: Path) -> None:
    path = tmp_path / "words.txt"
    path.write_text("one")
    first = digest(path)
    path.write_text("two")
    assert digest(path) != first
    path.write_text("one")
    assert digest(path) == first != digest(str(path))


def test_a_file_that_changes_within_the_tick_of_the_clock_is_read_again(tmp_path: Path) -> None:
    path = tmp_path / "data.csv"
    path.write_text("text\na\n")
    status = path.stat()
    first = file_digest(path)
    path.write_text("text\nb\n")
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert file_digest(path) != first
    path.write_text("text\na\n")
    assert file_digest(path) == first


def test_the_digest_of_an_old_file_is_remembered_for_other_processes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GRAFT_CACHE", str(tmp_path / "cache"))
    path = tmp_path / "data.csv"
    path.write_bytes(b"text\n" * 50_000)
    time.sleep(2.1)  # until it is older than the tick of any file system's clock
    found = file_digest(path)
    (record,) = (tmp_path / "cache" / "datasets" / ".files").iterdir()
    record.write_text(record.read_text().replace(found, "0" * 32))
    script = (
        "import sys; from graft.data.fingerprint import file_digest as f; print(f(sys.argv[1]))"
    )

    def elsewhere() -> str:
        command = [sys.executable, "-c", script, str(path)]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    assert elsewhere() == "0" * 32
    path.write_bytes(b"text\n" * 50_000)
    assert elsewhere() == found
    record.write_text("damaged")
    assert elsewhere() == found


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    for path in (tmp_path / "missing.csv", tmp_path):
        with pytest.raises(DataError, match="there is no such file"):
            file_digest(path)
