"""The lines of a file given to `graft predict`: a text may hold what is no line break to a file."""

from pathlib import Path

from graft.cli.predict import _lines


def test_only_line_breaks_end_a_line(tmp_path: Path) -> None:
    texts = ["one\u2028still one", "two\x0bstill two", "three\x85still three", "", "five"]
    for ending in ("\n", "\r\n"):
        file = tmp_path / "texts.txt"
        file.write_bytes((ending.join(texts) + ending).encode())
        assert _lines(file) == texts
