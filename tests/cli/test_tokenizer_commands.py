"""`graft tokenizer train`, `encode` and `inspect`, as a user runs them."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from graft import Tokenizer

Graft = Callable[..., Any]
LINES = ["The rain, oh my, the storm and the snow.", "we saw the sun", "", "naïve \u6771"]


@pytest.fixture
def notes(tmp_path: Path) -> Path:
    """A folder of two text files, one of them in a folder of its own, and a card."""
    folder = tmp_path / "notes"
    (folder / "deep").mkdir(parents=True)
    (folder / "one.txt").write_text("\n".join(LINES), encoding="utf-8")
    (folder / "deep" / "two.md").write_text("\ufeffwe run\r\n", encoding="utf-8")
    (folder / "README.md").write_text("not a text")
    (folder / ".hidden.txt").write_text("not a text")
    return folder


def figures(ran: Any) -> dict[str, tuple[int, int]]:
    """The texts and words of each file."""
    return {Path(one["file"]).name: (one["texts"], one["words"]) for one in json.loads(ran.out)}


def refused(ran: Any, *parts: str) -> None:
    assert ran.code == 2, ran.err
    assert ran.out == ""
    assert ran.err.startswith("error: ")
    for part in parts:
        assert part in ran.err


class TestTrain:
    def test_a_tokenizer_is_made_of_texts(self, graft: Graft, notes: Path, tmp_path: Path) -> None:
        made = tmp_path / "made"
        wanted = ("--kind", "bpe", "--vocab-size", "60", "--special", "<what>", "--special", "<x>")
        ran = graft("tokenizer", "train", str(notes), "--output", str(made), *wanted)
        assert ran.code == 0, ran.err
        trained = Tokenizer.from_pretrained(made)
        assert (ran.out, ran.err) == ("", f"{trained.vocab_size} tokens in {made}\n")
        assert trained.id_to_token(1) == "<x>"
        again = Tokenizer.train(
            ["we run", *LINES], "bpe", vocab_size=60, special_tokens=["<what>", "<x>"]
        )
        assert trained.vocabulary == again.vocabulary

    @pytest.mark.parametrize(
        ("options", "said"),
        [
            (["--kind", "syllables"], "it may be wordpiece, bpe, byte-level-bpe, unigram"),
            (["--vocab-size", "20"], "1 special tokens and 256 characters already need 257"),
            (["--special", "[UNK]", "--kind", "wordpiece"], "lack [PAD]"),
        ],
    )
    def test_options_that_make_no_sense(
        self, graft: Graft, notes: Path, tmp_path: Path, options: list[str], said: str
    ) -> None:
        made = tmp_path / "made"
        refused(graft("tokenizer", "train", str(notes), "--output", str(made), *options), said)
        assert not made.exists()

    def test_nothing_to_learn_from(self, graft: Graft, tmp_path: Path) -> None:
        (tmp_path / "empty.txt").touch()
        for source, said in (("empty.txt", "no words"), ("none.txt", "there is no such file")):
            path = str(tmp_path / source)
            refused(graft("tokenizer", "train", path, "--output", str(tmp_path / "made")), said)


class TestEncode:
    def test_ids_and_tokens(self, graft: Graft, base: Path) -> None:
        loaded = Tokenizer.from_pretrained(base)
        ran = graft("tokenizer", "encode", str(base), "the rain", "sun", "--json")
        expected = [loaded("the rain"), loaded("sun")]
        assert json.loads(ran.out) == [
            {"text": text, "ids": one.ids, "tokens": one.tokens}
            for text, one in zip(["the rain", "sun"], expected, strict=True)
        ]
        table = graft("tokenizer", "encode", str(base), "the rain", "--max-length", "3").out
        rows = [line.split() for line in table.splitlines()[1:]]
        assert rows == [
            [token, str(loaded.token_to_id(token))] for token in ("[CLS]", "the", "[SEP]")
        ]

    def test_a_length_without_room(self, graft: Graft, base: Path) -> None:
        refused(graft("tokenizer", "encode", str(base), "x", "--max-length", "2"), "give 3 or more")

    def test_a_tokenizer_that_is_not_there(self, graft: Graft, tmp_path: Path) -> None:
        refused(graft("tokenizer", "encode", str(tmp_path / "none"), "x"), "neither a folder")


class TestInspect:
    def test_every_file_has_its_figures(self, graft: Graft, base: Path, notes: Path) -> None:
        ran = graft("tokenizer", "inspect", str(base), str(notes), "--json")
        assert figures(ran) == {"two.md": (1, 2), "one.txt": (4, 15)}
        (of_one,) = (one for one in json.loads(ran.out) if one["file"].endswith("one.txt"))
        batch = Tokenizer.from_pretrained(base).encode_batch(LINES, add_special_tokens=False)
        assert of_one["tokens"] == len(batch.ids)
        assert of_one["tokens_per_word"] == len(batch.ids) / 15
        assert of_one["unknown"] == 1
        assert of_one["share_unknown"] == 1 / len(batch.ids)

    def test_patterns_and_files_of_other_kinds(self, graft: Graft, base: Path, notes: Path) -> None:
        (notes / "deep" / "three.log").write_text("rain\n")
        ran = graft("tokenizer", "inspect", str(base), f"{notes}/**/t*", "--json")
        assert figures(ran) == {"two.md": (1, 2), "three.log": (1, 1)}

    def test_each_file_of_a_data_set(self, graft: Graft, base: Path, tmp_path: Path) -> None:
        for name, rows in (("train-0", 2), ("train-1", 3), ("test", 1)):
            lines = [f"the rain,food,{name}"] * rows
            (tmp_path / f"{name}.csv").write_text("\n".join(["said,label,extra", *lines]) + "\n")
        ran = graft("tokenizer", "inspect", str(base), str(tmp_path), "--text", "said", "--json")
        expected = {"train-0.csv": (2, 4), "train-1.csv": (3, 6), "test.csv": (1, 2)}
        assert figures(ran) == expected
        assert {one["column"] for one in json.loads(ran.out)} == {"said"}

    def test_splits_are_seen_without_colours(self, graft: Graft, base: Path, notes: Path) -> None:
        out = graft("tokenizer", "inspect", str(base), str(notes)).out
        assert "The rain|, o|h my|, the storm a|n|d the snow|.\n" in out
        assert "n|a|\xef|v|e \u27e6\u6771\u27e7\n" in out
        assert "one.txt:\n" in out
        rows = [line.split() for line in out.splitlines() if line.startswith(("all", str(notes)))]
        assert [row[-5] for row in rows if row[0] == "all"] == ["5"]
        assert "\x1b" not in out

    def test_splits_take_turns_in_colours(
        self, graft: Graft, base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (tmp_path / "one.txt").write_text("the rain\x1b[2J \u6771\n", encoding="utf-8")
        for name, value in (("FORCE_COLOR", "1"), ("TERM", "xterm"), ("COLORTERM", "")):
            monkeypatch.setenv(name, value)
        monkeypatch.delenv("NO_COLOR", raising=False)
        line = graft("tokenizer", "inspect", str(base), str(tmp_path / "one.txt")).out.splitlines()[
            0
        ]
        assert "\x1b[30;46mthe\x1b[0m \x1b[30;43mrain\x1b[0m" in line
        assert "\x1b[37;41m\u6771\x1b[0m" in line
        assert "\x1b[2J" not in line

    def test_long_texts_are_shown_from_their_start(
        self, graft: Graft, base: Path, tmp_path: Path
    ) -> None:
        (tmp_path / "long.txt").write_text("rain " * 1000 + "\n")
        show = graft("tokenizer", "inspect", str(base), str(tmp_path / "long.txt")).out
        assert 90 < show.count("rain") < 110
        none = graft("tokenizer", "inspect", str(base), str(tmp_path / "long.txt"), "--show", "0")
        assert "rain" not in none.out

    @pytest.mark.parametrize(
        ("source", "said"),
        [
            ("latin.txt", ["latin.txt, line 2: byte 0xff at offset 3"]),
            ("*.none", ["No file matches"]),
            ("folder", ["holds neither data files nor texts", "folder/*"]),
            ("none.csv", ["there is no such file"]),
        ],
    )
    def test_what_cannot_be_read(
        self, graft: Graft, base: Path, tmp_path: Path, source: str, said: list[str]
    ) -> None:
        (tmp_path / "latin.txt").write_bytes(b"ok\n\xff\n")
        (tmp_path / "folder").mkdir()
        refused(graft("tokenizer", "inspect", str(base), str(tmp_path / source)), *said)
