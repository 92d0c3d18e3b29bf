"""Tokenizing: the same ids as the tokenizer gives, kept, cut, windowed, and labelled by places."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graft.data.dataset import Dataset, DatasetDict
from graft.data.features import ClassLabel, Value, spans_of
from graft.data.features import Sequence as ListOf
from graft.data.load import load_dataset
from graft.data.roles import Roles
from graft.data.windows import merge_windows, new_tokens, source_rows, windows_of_texts
from graft.errors import DataError
from graft.text.tokenizer import Tokenizer

TEXTS = [
    "the bread in my soup",
    "",
    "Goal! the team saw a race, very fast",
    "zzz rain",
    "snow " * 30,
]
TAGS = ["O", "B-PER", "I-PER", "B-LOC", "I-LOC"]
BIOES = ["O", *(f"{letter}-PER" for letter in "BIES")]


@pytest.fixture(scope="module")
def tokenizer(base: Path) -> Tokenizer:
    return Tokenizer.from_pretrained(base)


@pytest.fixture(scope="module")
def gpt2(shared_data: Path) -> Tokenizer:
    return Tokenizer.from_pretrained(shared_data / "vocabularies" / "gpt2")


def dataset(**columns: Sequence[Any]) -> Dataset:
    """Rows with a text, and whatever else."""
    columns.setdefault("text", TEXTS)
    return Dataset(pa.table(columns), roles=Roles(text="text"))


def tagged(words: list[list[str]], tags: list[list[int | None]], names: list[str]) -> Dataset:
    """Rows of words with their tags."""
    return Dataset(
        pa.table({"words": words, "tags": pa.array(tags, pa.list_(pa.int64()))}),
        features={"words": ListOf(Value("string")), "tags": ListOf(ClassLabel(names))},
        roles=Roles(tokens="words", tags="tags"),
    )


def ids(found: Dataset) -> list[list[int]]:
    return found["input_ids"]


def test_ids_are_those_of_the_tokenizer(tokenizer: Tokenizer) -> None:
    found = dataset().tokenize(tokenizer)
    assert ids(found) == [tokenizer(text).ids for text in TEXTS]
    assert found.column_names == ["input_ids"]
    assert found.column("input_ids").type == pa.list_(pa.int32())


def test_rows_are_cut(tokenizer: Tokenizer) -> None:
    found = dataset().tokenize(tokenizer, max_length=6)
    assert max(map(len, ids(found))) == 6
    assert ids(found)[4] == [*tokenizer(TEXTS[4]).ids[:5], *tokenizer("").ids[-1:]]


def test_pairs_have_types(tokenizer: Tokenizer) -> None:
    pairs = dataset(text_pair=TEXTS[::-1]).with_roles_of(Roles("text", "text_pair"))
    found = pairs.tokenize(tokenizer, keep=["text_pair"])
    alone = [tokenizer(*both) for both in zip(TEXTS, TEXTS[::-1], strict=True)]
    assert ids(found) == [each.ids for each in alone]
    assert found["token_type_ids"] == [each.type_ids for each in alone]
    assert found["text_pair"] == TEXTS[::-1]


def test_missing_texts_are_empty(tokenizer: Tokenizer) -> None:
    found = dataset(text=["rain", None]).tokenize(tokenizer)
    assert ids(found) == [tokenizer("rain").ids, tokenizer("").ids]


def test_the_label_stays_with_its_names(tokenizer: Tokenizer) -> None:
    rows = Dataset(
        pa.table({"text": TEXTS, "label": [0, 1, 0, 1, 1]}),
        features={"text": Value("string"), "label": ClassLabel(["a", "b"])},
        roles=Roles(text="text", label="label"),
    )
    found = rows.tokenize(tokenizer)
    assert found.label_names == ["a", "b"]
    assert found.label_counts() == {"a": 2, "b": 3}


def test_columns_of_other_types_are_kept(tokenizer: Tokenizer) -> None:
    """Tables in memory come with types that tables of ours do not have."""
    large = pa.array(TEXTS, pa.large_string())
    found = dataset(text=large, other=large).tokenize(tokenizer, keep=["other"])
    assert ids(found) == [tokenizer(text).ids for text in TEXTS]
    assert found["other"] == TEXTS


def test_an_order_is_kept(tokenizer: Tokenizer) -> None:
    shuffled = dataset().shuffle(3).select([4, 0, 2])
    assert ids(shuffled.tokenize(tokenizer)) == [tokenizer(t).ids for t in shuffled["text"]]


def test_no_rows(tokenizer: Tokenizer) -> None:
    found = dataset(text=pa.array([], pa.string())).tokenize(tokenizer, max_length=8, stride=2)
    assert len(found) == 0
    assert found.column_names == ["input_ids", "source_row"]


def test_what_was_tokenized_is_found_again(tokenizer: Tokenizer, base: Path) -> None:
    rows = dataset(number=range(5))
    first = rows.tokenize(tokenizer, max_length=9)
    again = dataset(number=range(5)).tokenize(Tokenizer.from_pretrained(base), max_length=9)
    assert first.fingerprint == again.fingerprint
    others = [
        rows.tokenize(tokenizer, max_length=8),
        rows.tokenize(tokenizer, max_length=9, spans=True),
        rows.tokenize(tokenizer, max_length=9, add_special_tokens=False),
        rows.tokenize(tokenizer, max_length=9, keep=["number"]),
        rows.select([0, 1, 2, 3]).tokenize(tokenizer, max_length=9),
    ]
    changed = Tokenizer.from_pretrained(base)
    changed.add_tokens(["zzz"])
    others.append(rows.tokenize(changed, max_length=9))
    fingerprints = {first.fingerprint, *(each.fingerprint for each in others)}
    assert len(fingerprints) == 7
    assert ids(others[-1])[3] != ids(first)[3]


def test_the_number_of_threads_changes_nothing(tokenizer: Tokenizer) -> None:
    rows = dataset(text=TEXTS * 2000)
    one = rows.tokenize(tokenizer, num_threads=1, cache=False)
    four = rows.tokenize(tokenizer, num_threads=4, cache=False)
    assert one.table.equals(four.table)


def test_texts_longer_than_a_part(tokenizer: Tokenizer) -> None:
    """A batch of long texts is tokenized in parts, whose rows follow each other."""
    texts = [word * 300_000 for word in ("rain ", "snow ", "fog ", "wind ", "sun ", "storm ")]
    rows = dataset(text=texts * 2)
    found = rows.tokenize(tokenizer, max_length=5000, stride=10, cache=False)
    sources = source_rows(found)
    assert sorted(set(sources.tolist())) == list(range(12))
    assert (np.diff(sources) >= 0).all()
    for row in (0, 7, 11):
        window = ids(found)[int(np.searchsorted(sources, row))]
        assert window[1] == tokenizer(rows["text"][row].split()[0]).ids[1]


def test_tokens_are_saved_and_read_by_us_and_by_the_peer(
    tokenizer: Tokenizer, tmp_path: Path
) -> None:
    from datasets import load_dataset as load_by_peer

    tags = [[0, 3], [1, 2], [4, 0]]
    rows = tagged([["the", "zzz"], ["xyz", "in"], ["my", "rain"]], tags, TAGS)
    saved = DatasetDict({"train": rows.tokenize(tokenizer, max_length=5, stride=1, spans=True)})
    saved.save(tmp_path / "tokens")
    again = load_dataset(tmp_path / "tokens")
    assert again.features == saved.features
    assert again["train"].table.equals(saved["train"].table)
    assert again.roles == Roles()
    peer = load_by_peer(str(tmp_path / "tokens"), cache_dir=str(tmp_path / "peer"))["train"]
    assert peer.to_dict() == saved["train"].table.to_pydict()
    assert peer.features["labels"].feature.names == TAGS


def test_splits_share_the_labels_of_spans(tokenizer: Tokenizer) -> None:
    def rows(label: str) -> Dataset:
        spans = [[{"start": 0, "end": 4, "label": label}]]
        return dataset(text=["rain in my soup"], spans=spans)

    data = DatasetDict({"train": rows("WEATHER"), "test": rows("FOOD")})
    found = data.tokenize(tokenizer, entities="spans")
    names = ["O", "B-FOOD", "I-FOOD", "B-WEATHER", "I-WEATHER"]
    assert found.features["labels"] == ListOf(ClassLabel(names))
    assert found["train"]["labels"] == [[-100, 3, 0, 0, 0, -100]]
    assert found["test"]["labels"] == [[-100, 1, 0, 0, 0, -100]]


class TestWindows:
    def test_they_are_those_of_the_tokenizer(self, tokenizer: Tokenizer) -> None:
        found = dataset().tokenize(tokenizer, max_length=8, stride=3, keep=["text"])
        batch = tokenizer.encode_batch(TEXTS, max_length=8, stride=3)
        assert ids(found) == [row.tolist() for row in batch]
        assert batch.sources is not None
        assert source_rows(found).tolist() == batch.sources.tolist()
        assert found["text"] == [TEXTS[row] for row in batch.sources]

    @settings(max_examples=25)
    @given(
        st.lists(st.text("abc ,.é", max_size=40), min_size=1, max_size=6),
        st.integers(4, 12),
        st.integers(0, 3),
    )
    def test_each_token_is_new_once(
        self, base: Path, texts: list[str], size: int, stride: int
    ) -> None:
        tokenizer = Tokenizer.from_pretrained(base)
        if stride >= size - 2:
            stride = size - 3
        found = dataset(text=texts).tokenize(
            tokenizer, max_length=size, stride=stride, spans=True, cache=False
        )
        flat = np.concatenate([np.array(row, np.int64) for row in ids(found)])
        owners = np.repeat(source_rows(found), [len(row) for row in ids(found)])
        new = new_tokens(found)
        for row, text in enumerate(texts):
            whole = tokenizer.encode_batch([text], add_special_tokens=False)
            assert flat[new & (owners == row)].tolist() == whole.ids.tolist()

    def test_values_are_merged(self) -> None:
        values = np.array([[1.0, 5.0], [3.0, 1.0], [2.0, 2.0]], np.float32)
        sources = np.array([0, 0, 1])
        assert merge_windows(values, sources).tolist() == [[2.0, 3.0], [2.0, 2.0]]
        assert merge_windows(values, sources).dtype == np.float32
        assert merge_windows(values, sources, "max").tolist() == [[3.0, 5.0], [2.0, 2.0]]
        assert merge_windows(values, sources, "sum").tolist() == [[4.0, 6.0], [2.0, 2.0]]
        assert merge_windows(values, sources, "first").tolist() == [[1.0, 5.0], [2.0, 2.0]]
        shuffled = merge_windows(values[[2, 1, 0]], sources[[2, 1, 0]], "max")
        assert shuffled.tolist() == [[3.0, 5.0], [2.0, 2.0]]

    def test_windows_of_texts(self) -> None:
        offsets, windows = windows_of_texts(np.array([2, 0, 2]), texts=4)
        assert offsets.tolist() == [0, 1, 1, 3, 3]
        assert windows.tolist() == [1, 0, 2]

    def test_a_text_without_a_window(self) -> None:
        with pytest.raises(DataError, match="Text 1 has no window"):
            merge_windows(np.ones(2), np.array([0, 2]))

    def test_rows_without_windows(self, tokenizer: Tokenizer) -> None:
        with pytest.raises(DataError, match="no column 'source_row'"):
            source_rows(dataset().tokenize(tokenizer))


class TestWords:
    WORDS = [["the", "zzz", "rain"], [], ["snow", "", "xyz"]]
    NUMBERS: list[list[int | None]] = [[0, 1, 4], [], [3, 2, None]]

    def test_the_first_token_of_a_word_has_its_tag(self, tokenizer: Tokenizer) -> None:
        found = tagged(self.WORDS, self.NUMBERS, TAGS).tokenize(tokenizer, spans=True)
        assert ids(found)[0] == tokenizer("the zzz rain").ids
        assert found["word_ids"] == [[-1, 0, 1, 1, 1, 2, -1], [-1, -1], [-1, 0, 2, 2, 2, -1]]
        assert found["labels"] == [
            [-100, 0, 1, -100, -100, 4, -100],
            [-100, -100],
            [-100, 3, -100, -100, -100, -100],
        ]
        assert found.features["labels"] == ListOf(ClassLabel(TAGS))

    def test_all_tokens_have_the_tag_of_their_word(self, tokenizer: Tokenizer) -> None:
        rows = tagged(self.WORDS, self.NUMBERS, TAGS)
        assert rows.tokenize(tokenizer, labels="all")["labels"][0] == [-100, 0, 1, 1, 1, 4, -100]
        inside = rows.tokenize(tokenizer, labels="all", inside=True)["labels"]
        assert inside[0] == [-100, 0, 1, 2, 2, 4, -100]
        assert inside[2] == [-100, 3, -100, -100, -100, -100]

    def test_ends_of_stretches(self, tokenizer: Tokenizer) -> None:
        """S is a stretch of one word: of its tokens, B I E; E is the last: of its tokens, I I E."""
        rows = tagged([["zzz", "xyz", "the", "the"]], [[4, 3, 4, 1]], BIOES)
        labels = rows.tokenize(tokenizer, labels="all", inside=True)["labels"]
        assert labels == [[-100, 1, 2, 3, 2, 2, 3, 4, 1, -100]]

    def test_tags_are_left_out(self, tokenizer: Tokenizer) -> None:
        found = tagged(self.WORDS, self.NUMBERS, TAGS).tokenize(tokenizer, labels="none")
        assert found.column_names == ["input_ids"]

    @pytest.mark.parametrize("inside", [False, True])
    def test_windows_tell_each_tag_once(self, tokenizer: Tokenizer, inside: bool) -> None:
        """A window that begins within a word has no first token of it."""
        rows = tagged([["zzzzzz", "the", "xyzxyz"] * 5], [[1, 0, 3] * 5], TAGS)
        options: dict[str, Any] = {"labels": "all", "inside": True} if inside else {}
        found = rows.tokenize(tokenizer, max_length=9, stride=0, **options)
        content = [label for row in found["labels"] for label in row if label != -100]
        rest = [2] * 5 if inside else []
        last = [4] * 5 if inside else []
        assert content == [1, *rest, 0, 3, *last] * 5

    def test_a_word_of_several_words(self, tokenizer: Tokenizer) -> None:
        rows = tagged([["the race", "the"]], [[1, 3]], TAGS)
        assert rows.tokenize(tokenizer)["labels"] == [[-100, 1, -100, 3, -100]]

    def test_another_number_of_tags(self, tokenizer: Tokenizer) -> None:
        rows = tagged([["the"], ["a", "b"]], [[0], [1]], TAGS)
        with pytest.raises(DataError, match=r"row 1: 2 words in 'words', but 1 tags in 'tags'"):
            rows.tokenize(tokenizer)

    def test_tags_that_are_no_classes(self, tokenizer: Tokenizer) -> None:
        table = pa.table({"words": [["the"]], "tags": [["O"]]})
        rows = Dataset(table, roles=Roles(tokens="words", tags="tags"))
        with pytest.raises(DataError, match=r"class_encode\('tags'\)"):
            rows.tokenize(tokenizer)

    def test_byte_level_tokens_take_the_space_before_them(self, gpt2: Tokenizer) -> None:
        rows = tagged([["Vienna", "waits", "für", "Österreich"]], [[1, 0, 0, 3]], TAGS)
        found = rows.tokenize(gpt2, spans=True)
        words = found["word_ids"][0]
        assert sorted(set(words)) == [0, 1, 2, 3]
        first = [words.index(word) for word in range(4)]
        assert [found["labels"][0][place] for place in first] == [1, 0, 0, 3]
        rest = [each for place, each in enumerate(found["labels"][0]) if place not in first]
        assert set(rest) <= {-100}

    def test_real_words_are_those_of_the_peer(self, real_data: Path, minilm: Path) -> None:
        """Ids, words and tags of WNUT-17, as `transformers` has them for words given apart."""
        from transformers import AutoTokenizer

        rows = load_dataset(real_data / "wnut17")["validation"]
        found = rows.tokenize(Tokenizer.from_pretrained(minilm), max_length=24, spans=True)
        theirs = AutoTokenizer.from_pretrained(minilm)(
            rows["tokens"], is_split_into_words=True, truncation=True, max_length=24
        )
        assert ids(found) == theirs["input_ids"]
        for row, tags in enumerate(rows["ner_tags"]):
            words = [-1 if word is None else word for word in theirs.word_ids(row)]
            assert found[row]["word_ids"] == words
            before = [-1, *words[:-1]]
            wanted = [
                tags[word] if word >= 0 and word != last else -100
                for word, last in zip(words, before, strict=True)
            ]
            assert found[row]["labels"] == wanted

    def test_every_real_tag_reaches_one_token(self, real_data: Path, minilm: Path) -> None:
        """In all windows together, each word of UD English is tagged once."""
        rows = load_dataset(real_data / "ud-ewt")["test"]
        found = rows.tokenize(Tokenizer.from_pretrained(minilm), max_length=20, stride=0)
        sources = source_rows(found)
        labels = found.column("labels").combine_chunks()
        told = labels.flatten().to_numpy()
        owners = np.repeat(sources, labels.value_lengths().to_numpy())
        wanted = rows.column("upos").combine_chunks()
        for row in range(0, len(rows), 7):
            assert told[(owners == row) & (told >= 0)].tolist() == wanted[row].as_py()


class TestSpans:
    TEXT = "my zzz and the rain"

    def rows(self, *spans: tuple[int, int, str], text: str = TEXT) -> Dataset:
        records = [{"start": s, "end": e, "label": label} for s, e, label in spans]
        kind = pa.list_(
            pa.struct([("start", pa.int64()), ("end", pa.int64()), ("label", pa.string())])
        )
        return dataset(text=[text], spans=pa.array([records], kind))

    def tags(self, tokenizer: Tokenizer, rows: Dataset, **options: Any) -> list[str]:
        found = rows.tokenize(tokenizer, entities="spans", **options)
        feature = found.features["labels"]
        assert isinstance(feature, ListOf)
        assert isinstance(feature.feature, ClassLabel)
        names = feature.feature.names
        return [names[each] if each >= 0 else "" for each in found["labels"][0]]

    def test_spans_become_tags(self, tokenizer: Tokenizer) -> None:
        rows = self.rows((3, 6, "X"), (15, 19, "Y"))
        tags = self.tags(tokenizer, rows)
        a, n, d = "O", "O", "O"
        assert tags == ["", "O", "B-X", "I-X", "I-X", a, n, d, "O", "B-Y", ""]
        tags = self.tags(tokenizer, rows, scheme="BIOES")
        assert tags == ["", "O", "B-X", "I-X", "E-X", a, n, d, "O", "S-Y", ""]

    def test_a_token_that_is_partly_in_a_span_is_in_it(self, tokenizer: Tokenizer) -> None:
        tags = self.tags(tokenizer, self.rows((16, 18, "Y")))
        assert tags[-2:] == ["B-Y", ""]

    def test_a_span_that_was_cut_leaves_no_trace(self, tokenizer: Tokenizer) -> None:
        rows = self.rows((3, 6, "X"), (15, 19, "Y"))
        assert self.tags(tokenizer, rows, max_length=4) == ["", "O", "B-X", ""]

    def test_no_spans(self, tokenizer: Tokenizer) -> None:
        assert set(self.tags(tokenizer, self.rows(), entity_labels=["X"])) == {"", "O"}

    def test_neighbours(self, tokenizer: Tokenizer) -> None:
        rows = self.rows((0, 3, "X"), (4, 7, "X"), text="the the")
        assert self.tags(tokenizer, rows) == ["", "B-X", "B-X", ""]

    def test_a_window_goes_on_with_a_span(self, tokenizer: Tokenizer) -> None:
        rows = self.rows((3, 6, "X"))
        found = rows.tokenize(tokenizer, entities="spans", max_length=4, stride=0)
        assert found["labels"][:2] == [[-100, 0, 1, -100], [-100, 2, 2, -100]]

    def test_declared_classes(self, tokenizer: Tokenizer) -> None:
        spans = [[{"start": 3, "end": 6, "label": 1}]]
        rows = Dataset(
            pa.table({"text": [self.TEXT], "spans": spans}),
            features={"text": Value("string"), "spans": spans_of(["X", "Y"])},
            roles=Roles(text="text"),
        )
        assert self.tags(tokenizer, rows)[2] == "B-Y"

    @pytest.mark.parametrize(
        ("spans", "words"),
        [
            ([(3, 3, "X")], "row 0: the span from 3 to 3 is empty"),
            ([(-1, 3, "X")], "from -1 to 3 is empty"),
            ([(3, 6, "X"), (5, 9, "Y")], "from 5 to 9 overlaps"),
            ([(5, 9, "Y"), (3, 6, "X")], "from 5 to 9 overlaps"),
        ],
    )
    def test_spans_that_make_no_sense(
        self, tokenizer: Tokenizer, spans: list[tuple[int, int, str]], words: str
    ) -> None:
        with pytest.raises(DataError, match=words):
            self.tags(tokenizer, self.rows(*spans))

    def test_labels_that_are_not_among_those_given(self, tokenizer: Tokenizer) -> None:
        with pytest.raises(DataError, match="row 0: a span has no label, or one that is not among"):
            self.tags(tokenizer, self.rows((3, 6, "X")), entity_labels=["Y"])


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"text": "nothing"}, "no column 'nothing'"),
        ({"text": "number"}, "column 'number': texts, or lists of words, were expected"),
        ({"text_pair": "number"}, "column 'number': texts"),
        ({"keep": ["nothing"]}, "no column 'nothing'"),
        ({"keep": "number"}, r"keep=\['number'\]"),
        ({"entities": "nothing"}, "no column 'nothing'"),
        ({"entities": "number"}, "spans are lists of records of start, end and label"),
        ({"labels": "some"}, "labels is 'some'; it may be first, all, none"),
        ({"max_length": 2}, "max_length is 2"),
        ({"stride": 2}, "stride is 2, which needs a max_length"),
        ({"truncation": "both"}, "truncation is 'both'"),
    ],
)
def test_options_that_make_no_sense(
    tokenizer: Tokenizer, options: dict[str, Any], words: str
) -> None:
    with pytest.raises(DataError, match=words):
        dataset(number=range(5)).tokenize(tokenizer, **options)


def test_a_column_that_tokenizing_makes_itself(tokenizer: Tokenizer) -> None:
    with pytest.raises(DataError, match="makes a column 'input_ids' itself"):
        dataset(input_ids=range(5)).tokenize(tokenizer, keep=["input_ids"])


def test_no_text(tokenizer: Tokenizer) -> None:
    rows = Dataset(pa.table({"number": [1, 2]}), roles=Roles())
    with pytest.raises(DataError, match="no column of text"):
        rows.tokenize(tokenizer)


def test_ids_are_those_of_the_peer(real_data: Path, minilm: Path) -> None:
    from transformers import AutoTokenizer

    rows = load_dataset(real_data / "trec")["test"]
    found = rows.tokenize(Tokenizer.from_pretrained(minilm), max_length=12)
    peer = AutoTokenizer.from_pretrained(minilm)
    theirs = peer(rows[rows.text_column], truncation=True, max_length=12)["input_ids"]
    assert ids(found) == theirs
