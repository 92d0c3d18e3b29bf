"""The demo's questions are what their card says, and the checker sees what would spoil them."""

import csv
import os
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
import yaml

from graft.demo.check_questions import FOLDER, LABELS, MINIMUM, check, main, read_questions

Rows = list[tuple[str, str]]
Copy = Callable[..., Path]

REPOSITORY = Path(__file__).parents[2]
SHARED_DATA = Path(os.environ.get("GRAFT_TEST_DATA", REPOSITORY.parent / "shared" / "data"))


def card_metadata() -> dict:
    return yaml.safe_load((FOLDER / "README.md").read_text(encoding="utf-8").split("---\n")[1])


def write(path: Path, rows: Sequence[tuple[str, ...]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows([("text", "label"), *rows])


@pytest.fixture
def copy_with(tmp_path: Path) -> Copy:
    """Makes a copy of the questions, with rows added to a split."""

    def copy(train: Rows | None = None, test: Rows | None = None) -> Path:
        for split, added in (("train", train or []), ("test", test or [])):
            rows = [(q.text, q.label) for q in read_questions(FOLDER / f"{split}.csv")]
            write(tmp_path / f"{split}.csv", [*rows, *added])
        return tmp_path

    return copy


def only_finding(folder: Path) -> str:
    findings = check(folder)
    assert len(findings) == 1, findings
    return findings[0]


def test_nothing_is_found_in_the_questions(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 0
    assert capsys.readouterr().out.endswith("Nothing found.\n")


@pytest.mark.data
def test_no_question_is_in_trec_or_nearly() -> None:
    files = [SHARED_DATA / "trec" / f"{split}.csv" for split in ("train", "test")]
    if not all(file.exists() for file in files):
        pytest.skip(f"no TREC in {SHARED_DATA}: set GRAFT_TEST_DATA to the folder of shared data")
    assert check(FOLDER, files) == []


@pytest.mark.parametrize("split", list(MINIMUM))
def test_files_are_plain_csv(split: str) -> None:
    content = (FOLDER / f"{split}.csv").read_bytes()
    assert content.startswith(b"text,label\n")
    assert content.endswith(b"\n")
    assert b"\r" not in content
    content.decode("utf-8")


def test_card_lists_the_labels_in_order_and_the_files() -> None:
    metadata = card_metadata()
    text, label = metadata["dataset_info"]["features"]
    assert text == {"name": "text", "dtype": "string"}
    assert label["name"] == "label"
    assert label["dtype"]["class_label"]["names"] == dict(
        zip(map(str, range(6)), LABELS, strict=True)
    )
    files = {entry["split"]: entry["path"] for entry in metadata["configs"][0]["data_files"]}
    assert files == {"train": "train.csv", "test": "test.csv"}
    assert metadata["license"] == "apache-2.0"


def test_stock_library_reads_the_folder_with_its_labels(tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    loaded = datasets.load_dataset(str(FOLDER), cache_dir=str(tmp_path))
    assert set(loaded) == {"train", "test"}
    assert loaded["test"].features["label"].names == list(LABELS)
    expected = [(q.text, q.label) for q in read_questions(FOLDER / "test.csv")]
    names = loaded["test"].features["label"].int2str(loaded["test"]["label"])
    assert list(zip(loaded["test"]["text"], names, strict=True)) == expected


def test_a_duplicate_is_found_whatever_its_punctuation(copy_with: Copy) -> None:
    folder = copy_with(train=[("how DEEP is lake baikal", "number")])
    finding = check(folder)[0]
    assert finding.startswith("duplicate")
    assert "test.csv:" in finding
    assert '[number] "how DEEP is lake baikal"' in finding


@pytest.mark.parametrize(
    "text",
    [
        "How deep would you say is Lake Baikal?",  # words added
        "How deeep is lake Bajkal?",  # typos
    ],
)
def test_a_near_duplicate_across_the_splits_is_found(copy_with: Copy, text: str) -> None:
    finding = only_finding(copy_with(train=[(text, "number")]))
    assert finding.startswith("near-duplicate")
    assert "train.csv:" in finding
    assert "test.csv:" in finding
    assert text in finding


def test_one_frame_with_a_word_swapped_is_found(copy_with: Copy) -> None:
    added = [
        ("In Ruritania, who is allowed to wear purple hats?", "human"),
        ("In Brobdingnag, who is allowed to wear extraordinarily tall hats?", "human"),
        ("At Hogwarts, who is expected to supervise detention?", "human"),
        ("At Hogwarts, who is expected to understand?", "human"),
    ]
    findings = [finding for finding in check(copy_with(train=added)) if "frame" in finding]
    assert len(findings) == 1
    assert findings[0].startswith('frame "at hogwarts who is expected to ...":')


def test_an_opening_that_returns_is_found(copy_with: Copy) -> None:
    openings = [
        "Could anybody please explain magnetism?",
        "Could anybody please explain how mushrooms reproduce underground in winter?",
        "Could anybody please explain why my neighbour's rooster crows at midnight?",
        "Could anybody please explain to an impatient grandfather what streaming is?",
    ]
    finding = only_finding(copy_with(train=[(text, "description") for text in openings]))
    assert finding.startswith('4 questions of description share "could anybody please explain ..."')


@pytest.mark.parametrize(
    ("row", "said"),
    [
        (("Which wallpaper suits a windowless bathroom?", "object"), "unknown label"),
        (("Which wallpaper suits a  windowless bathroom?", "entity"), "stray white space"),
        (("Wallpaper?", "entity"), "1 words, not 2 to 40"),
        ((" ".join(f"word{n}" for n in range(41)), "entity"), "41 words, not 2 to 40"),
    ],
)
def test_a_bad_row_is_found(copy_with: Copy, row: tuple[str, str], said: str) -> None:
    folder = copy_with(train=[row])
    line = len((folder / "train.csv").read_text(encoding="utf-8").splitlines())
    finding = only_finding(folder)
    assert finding.startswith(said)
    assert f"train.csv:{line}" in finding


def test_a_small_class_and_a_sorted_file_are_found(tmp_path: Path) -> None:
    rows = [(q.text, q.label) for q in read_questions(FOLDER / "train.csv")]
    humans = [row for row in rows if row[1] == "human"]
    write(tmp_path / "train.csv", [row for row in rows if row not in humans[:50]])
    test_rows = [(q.text, q.label) for q in read_questions(FOLDER / "test.csv")]
    write(tmp_path / "test.csv", sorted(test_rows, key=lambda row: row[1]))
    findings = check(tmp_path)
    assert f"train: {len(humans) - 50} questions of human, not 90 or more" in findings
    assert "test: 28 rows of abbreviation in a row: shuffle the file" in findings


def test_findings_exit_with_1_and_list_the_pair(
    copy_with: Copy, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(copy_with(train=[("how deep is lake baikal?!", "number")]))]) == 1
    printed = capsys.readouterr().out
    assert '"How deep is Lake Baikal?"' in printed
    assert '"how deep is lake baikal?!"' in printed


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"text,label\nWho, then, was Ozymandias?,human\n", "line 2: 4 columns instead of 2"),
        (b'text,label\nfine,human\n"never closed,human\n', "line 3: unexpected end of data"),
        (b"text,label\nd\xe9j\xe0 vu,entity\n", "is not UTF-8 (byte 12)"),
        (b"question,label\nWho?,human\n", "has no column 'text'"),
        (b"", "has no column 'text'"),
    ],
)
def test_a_damaged_file_exits_with_2_and_says_where(
    copy_with: Copy, capsys: pytest.CaptureFixture[str], content: bytes, said: str
) -> None:
    path = copy_with() / "train.csv"
    path.write_bytes(content)
    assert main([str(path.parent)]) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"Error: {path}")
    assert said in error


def test_a_missing_file_exits_with_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(tmp_path)]) == 2
    assert f"{tmp_path / 'train.csv'} cannot be read: No such file" in capsys.readouterr().err
