"""CoNLL and CoNLL-U: sentences as lists, columns by their content, and lines that do not fit."""

import datasets
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from graft.data.formats.bad_rows import BadRows
from graft.data.formats.conll import column_names, read_conll
from graft.data.formats.conllu import COLUMNS, read_conllu
from graft.data.formats.data_file import DataFile
from graft.errors import DataError

CONLL_2003 = """-DOCSTART- -X- -X- O

EU NNP B-NP B-ORG
rejects VBZ B-VP O
. . O O

Peter NNP B-NP B-PER
"""
SENTENCE = "1\tIt\tit\tPRON\tPRP\t_\t2\tnsubj\t_\t_\n2\tran\trun\tVERB\tVBD\t_\t0\troot\t_\t_\n"


def rows(path, bad=None, read=read_conll, **options):
    content = read(DataFile.of(path), options, bad or BadRows())
    return pa.Table.from_batches(content.batches)


def test_conll_2003(write):
    table = rows(write("a.conll", CONLL_2003))
    assert table.to_pylist() == [
        {
            "tokens": ["EU", "rejects", "."],
            "pos_tags": ["NNP", "VBZ", "."],
            "chunk_tags": ["B-NP", "B-VP", "O"],
            "ner_tags": ["B-ORG", "O", "O"],
        },
        {"tokens": ["Peter"], "pos_tags": ["NNP"], "chunk_tags": ["B-NP"], "ner_tags": ["B-PER"]},
    ]


@pytest.mark.parametrize(
    ("columns", "names"),
    [
        (["EU,runs", "B-ORG,O"], ["tokens", "ner_tags"]),
        (["EU,runs", "NNP,VBZ"], ["tokens", "pos_tags"]),
        (["EU,runs", "NNP,VBZ", "B-NP,B-VP"], ["tokens", "pos_tags", "chunk_tags"]),
        (["1,2", "EU,runs", "B-ORG,O", "O,O"], ["index", "tokens", "ner_tags", "column_4"]),
        (["EU,runs", "eu,run", "x,y"], ["tokens", "column_2", "tags"]),
        (["1,2"], ["tokens"]),
        (["EU,runs", "I-ORG,O"], ["tokens", "ner_tags"]),
        (["Ich,bin", "ich,sein", "PPER,VAFIN", "I-NC,O", "O,O"],
         ["tokens", "column_2", "pos_tags", "ner_tags", "column_5"]),
    ],
)  # fmt: skip
def test_columns_are_named_by_what_stands_in_them(columns, names):
    assert column_names([column.split(",") for column in columns]) == names


def test_columns_given_by_name(write):
    path = write("a.conll", CONLL_2003)
    table = rows(path, columns=["words", "pos", "chunk", "ner"])
    assert table.column_names == ["words", "pos", "chunk", "ner"]
    for wrong in ([], ["a", "a", "b", "c"]):
        with pytest.raises(DataError, match="a name for each column, all different"):
            rows(path, columns=wrong)


def test_tabs_keep_blanks_within_a_token(write):
    table = rows(write("a.conll", "New York\tB-LOC\n\tO\nup\tO\n \t\nnext\tO"))
    assert table["tokens"].to_pylist() == [["New York", "", "up"], ["next"]]


def test_hashes_are_comments_before_a_sentence_and_tokens_within(write):
    content = "# id 1\n# key = value\n#tag\tO\nis\tO\n#other\tO\n\n# a comment\tof\ttabs\nyes\tO\n"
    assert rows(write("a.conll", content))["tokens"].to_pylist() == [
        ["#tag", "is", "#other"],
        ["yes"],
    ]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("a\tO\nb\tO\n\nc\n", ["line 4", "2 columns as in line 1 (tokens, ner_tags)", "found 1"]),
        ("a O\nb O x\nc O", ["line 2", "separated by blanks; found 3", "'b O x'"]),
        ("# x\n\n-DOCSTART- O\n", ["no line of the file holds a token"]),
        ("a\tO\n# lost\nb\tO\n", ["line 2", "found 1", "'# lost'"]),
    ],
)
def test_lines_of_other_columns_are_named(write, content, said):
    path = write("a.conll", content)
    with pytest.raises(DataError) as caught:
        rows(path)
    for words in [str(path), *said]:
        assert words in str(caught.value)


def test_a_bad_line_takes_its_sentence_with_it(write):
    bad = BadRows(collect=True)
    path = write("a.conll", b"a\tO\n\nb\tO\nc\nd\tO\n\n\x81\tO\nf\tO\n\ng\tO\n")
    assert rows(path, bad)["tokens"].to_pylist() == [["a"], ["g"]]
    found = bad.table().select(["line", "raw"]).to_pylist()
    assert sorted(row["line"] for row in found) == [4, 7]


WORDS = st.text(st.characters(categories=["L", "N", "P"]), min_size=1, max_size=5).filter(
    lambda word: not word.startswith("#")
)
SENTENCES = st.lists(
    st.lists(st.tuples(WORDS, st.sampled_from(["O", "B-X", "I-X"])), min_size=1, max_size=4),
    min_size=1,
    max_size=6,
)


@given(sentences=SENTENCES, size=st.integers(1, 40), mark=st.sampled_from("\t "))
def test_what_was_written_is_read_in_blocks_of_any_size(tmp_path_factory, sentences, size, mark):
    lines = ["\n".join(mark.join(token) for token in sentence) for sentence in sentences]
    path = tmp_path_factory.mktemp("conll") / "a.conll"
    path.write_text("\n\n".join(lines), encoding="utf-8")
    table = rows(path, block_size=size, columns=["tokens", "tags"])
    assert table["tokens"].to_pylist() == [[word for word, _ in each] for each in sentences]
    assert table["tags"].to_pylist() == [[tag for _, tag in each] for each in sentences]


def test_conllu_has_a_list_per_column_and_the_comments(write):
    content = (
        "# newdoc\n# sent_id = s-1\n# text = It's = ran\n1-2\tIt's\t_\t_\t_\t_\t_\t_\t_\tX=Y\n"
        + SENTENCE
        + "2.1\tfar\tfar\tADV\tRB\t_\t_\t_\t2:advmod\t_\n\n"
        + SENTENCE
    )
    first, second = rows(write("a.conllu", content), read=read_conllu).to_pylist()
    assert [first[name] for name in ("sent_id", "text")] == ["s-1", "It's = ran"]
    assert {name: first[name] for name in COLUMNS} == {
        "id": ["1", "2"],
        "form": ["It", "ran"],
        "lemma": ["it", "run"],
        "upos": ["PRON", "VERB"],
        "xpos": ["PRP", "VBD"],
        "feats": ["_", "_"],
        "head": ["2", "0"],
        "deprel": ["nsubj", "root"],
        "deps": ["_", "_"],
        "misc": ["_", "_"],
    }
    assert first["multiword_tokens"] == [{"id": "1-2", "form": "It's", "misc": "X=Y"}]
    assert [node["form"] for node in first["empty_nodes"]] == ["far"]
    assert first["metadata"] == [{"key": "newdoc", "value": None}]
    assert second["sent_id"] is None
    assert second["multiword_tokens"] == second["empty_nodes"] == second["metadata"] == []


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (SENTENCE + "3\t.\n", ["line 3", "expected 10 columns", "found 2"]),
        (SENTENCE.replace("\t", " "), ["line 1", "separated by tabs; found 1"]),
        (SENTENCE + "x" + SENTENCE, ["line 3", "'x1' is no id", "a range (1-2)"]),
        ("# only = comments\n", ["no line of the file holds a word"]),
    ],
)
def test_conllu_that_is_none_names_the_line(write, content, said):
    with pytest.raises(DataError) as caught:
        rows(write("a.conllu", content), read=read_conllu)
    for words in said:
        assert words in str(caught.value)


@pytest.mark.data
@pytest.mark.parametrize("split", ["train", "validation", "test"])
def test_same_sentences_as_datasets(real_data, tmp_path, split):
    for name, suffix, columns in [
        ("wnut17", "conll", ["tokens", "ner_tags"]),
        ("ud-ewt", "conllu", list(COLUMNS)),
    ]:
        path = real_data / name / f"{split}.{suffix}"
        theirs = datasets.load_dataset(
            "conll",
            data_files=str(path),
            column_names=columns,
            delimiter="\t",
            comment_prefix="#" if suffix == "conllu" else None,
            cache_dir=str(tmp_path),
        )["train"].data.table
        ours = rows(path, read=read_conllu if suffix == "conllu" else read_conll)
        if suffix == "conllu":  # theirs has lines that are not words among the words
            theirs = _words_alone(theirs)
            assert ours["text"].null_count == 0
        assert ours.select(columns).to_pylist() == theirs.to_pylist()


def _words_alone(table):
    words = [[n for n, number in enumerate(ids) if number.isdigit()] for ids in
             table["id"].to_pylist()]  # fmt: skip
    kept = {
        name: [
            [values[n] for n in chosen]
            for values, chosen in zip(table[name].to_pylist(), words, strict=True)
        ]
        for name in table.column_names
    }
    return pa.table(kept)


def test_counts_of_real_treebank(real_data):
    table = rows(real_data / "ud-ewt" / "train.conllu", read=read_conllu)
    assert table.num_rows == 5000
    assert len(table["multiword_tokens"].combine_chunks().flatten()) == 806
    assert len(table["empty_nodes"].combine_chunks().flatten()) == 7
    assert len(table["metadata"].combine_chunks().flatten()) == 53 + 1048
