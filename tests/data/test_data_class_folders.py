"""Folders and files of texts whose names are labels or splits."""

import pytest

from graft.data.load import load_dataset
from graft.errors import DataError


@pytest.fixture
def make(write, tmp_path):
    """Writes files of some text below a folder and loads it."""

    def load(*names, **options):
        for name in names:
            write(f"set/{name}", f"text of {name}\nline two\n")
        return load_dataset(tmp_path / "set", **options)

    return load


def names_of(data):
    return {
        split: [None if n is None else data.label_names[n] for n in rows["label"]]
        for split, rows in data.items()
    }


def test_a_folder_per_class_holds_documents(make):
    data = make("pos/10.txt", "pos/9.txt", "neg/1.txt")
    assert data["train"]["text"] == [
        "text of neg/1.txt\nline two\n",
        "text of pos/9.txt\nline two\n",
        "text of pos/10.txt\nline two\n",
    ]
    assert names_of(data) == {"train": ["neg", "pos", "pos"]}
    assert (data.roles.text, data.roles.label) == ("text", "label")


@pytest.mark.parametrize("name", ["{split}/{label}/1.txt", "{label}/{split}/1.txt"])
def test_classes_within_splits_and_splits_within_classes(make, name):
    pairs = [(split, label) for split in ("test", "dev", "train") for label in ("b", "a")]
    data = make(*(name.format(split=split, label=label) for split, label in pairs))
    assert names_of(data) == {split: ["a", "b"] for split in ("train", "validation", "test")}


def test_a_file_per_class_holds_a_text_a_line(make):
    data = make("spam.txt", "ham.txt")
    assert names_of(data) == {"train": ["ham", "ham", "spam", "spam"]}


def test_a_file_per_class_and_split(make):
    data = make("train/spam.txt", "train/ham.txt", "test/ham.txt")
    assert names_of(data) == {"train": ["ham", "ham", "spam", "spam"], "test": ["ham", "ham"]}


def test_texts_without_labels_are_a_split_of_their_own(make, caplog):
    data = make(
        "train/pos/1.txt", "train/neg/1.txt", "train/unsup/1.txt", "test/pos/1.txt", "about.txt"
    )
    assert names_of(data) == {"train": ["neg", "pos"], "test": ["pos"], "unsupervised": [None]}
    assert "left out, as they are in no folder of a class: about.txt" in caplog.text


def test_the_rows_of_documents_can_be_lines_or_paragraphs(make):
    assert len(make("pos/1.txt", "neg/1.txt", by="line")["train"]) == 4
    assert len(make(by="paragraph")["train"]) == 2


def test_names_of_splits_are_no_classes(make):
    assert set(make("train.txt", "test.txt")) == {"train", "test"}
    assert "label" not in make()["train"].column_names


@pytest.mark.parametrize(
    "names",
    [
        ["one.txt"],
        ["part-1.txt", "part-2.txt"],
        ["books-00000-of-00002.txt", "books-00001-of-00002.txt"],
        ["train/1.txt", "train/2.txt"],
    ],
)
def test_what_is_one_class_at_most_is_text_alone(make, names):
    data = make(*names)
    assert set(data) == {"train"}
    assert data["train"].column_names == ["text"]
    assert len(data["train"]) == 2 * len(names)


def test_an_empty_document_is_an_empty_text(make, write, caplog):
    write("set/pos/0.txt", "")
    data = make("pos/1.txt", "neg/1.txt")
    assert sorted(data["train"]["text"])[0] == ""
    assert "1 empty text" in caplog.text


def test_the_cache_notices_a_new_file_a_change_and_another_label(make, write, tmp_path):
    assert names_of(make("pos/1.txt", "neg/1.txt")) == {"train": ["neg", "pos"]}
    write("set/neg/2.txt", "new")
    assert names_of(make()) == {"train": ["neg", "neg", "pos"]}
    write("set/neg/2.txt", "now")
    assert make()["train"]["text"][1] == "now"
    (tmp_path / "set" / "neg").rename(tmp_path / "set" / "bad")
    assert names_of(make()) == {"train": ["bad", "bad", "pos"]}


def test_a_document_that_is_no_text_is_set_aside(make, write):
    path = write("set/pos/0.txt", b"gut \x81 \xc3\xa4")
    for _ in range(2):  # the second time from the cache
        data = make("pos/1.txt", "neg/1.txt", on_bad_rows="collect")
        assert names_of(data) == {"train": ["neg", "pos"]}
        assert data.bad_rows.select(["file", "line"]).to_pylist() == [
            {"file": str(path), "line": 1}
        ]
    with pytest.raises(DataError, match=r"pos/0\.txt, line 1: byte 0x81 at offset 4 is not UTF-8"):
        make()
