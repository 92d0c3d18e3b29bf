"""Graft's tokenizers against their oracles: real text of several languages, and random Unicode."""

import json
import random
import sys
from pathlib import Path

import pyarrow as pa
import pytest

import graft

ROOT = Path(__file__).parents[2]
sys.path.append(str(ROOT / "scripts"))

import oracles  # noqa: E402
from fuzz_tokenizers import differences, random_text  # noqa: E402

NAMES = [
    "bert-uncased",
    "bert-cased",
    "gpt2",
    "llama3",
    "qwen",
    "albert",
    "stories260K.model",
    "sentencepiece-test.model",
    "albert.model",
]


@pytest.fixture(scope="module")
def data() -> Path:
    folder = ROOT.parent / "shared" / "data"
    if not (folder / "vocabularies").is_dir():
        pytest.skip(f"no real data in {folder}")
    return folder


@pytest.fixture(scope="module")
def subjects(data: Path) -> dict[str, oracles.Subject]:
    return {subject.name: subject for subject in oracles.subjects(data)}


@pytest.fixture(scope="module")
def real_texts(data: Path) -> list[str]:
    """Reviews, questions in three languages, tweets and sentences as they stand in their files."""
    texts: list[str] = oracles.imdb(data, 150)
    for path in sorted((data / "xquad").glob("*.json")):
        articles = json.loads(path.read_text(encoding="utf-8"))["data"]
        texts += [part["context"] for article in articles[:12] for part in article["paragraphs"]]
    for folder in ("wnut17", "ud-ewt", "wikitext2"):
        for path in sorted((data / folder).iterdir()):
            texts += path.read_text(encoding="utf-8").split("\n")[:300]
    return texts


@pytest.mark.parametrize("name", NAMES)
def test_real_text(name: str, subjects: dict[str, oracles.Subject], real_texts: list[str]) -> None:
    assert differences(subjects[name], real_texts) == []


@pytest.mark.parametrize("name", NAMES)
def test_random_unicode(name: str, subjects: dict[str, oracles.Subject]) -> None:
    source = random.Random(NAMES.index(name))
    assert differences(subjects[name], [random_text(source) for _ in range(3000)]) == []


def test_sums_of_scores_in_a_long_text(subjects: dict[str, oracles.Subject]) -> None:
    """Of two cuts of "!!!!" that score the same, the rounding of the sum up to them decides."""
    source = random.Random(3)
    words = ["the", "house", "sellers", "of", "astronomy", "schedule", "zebra", "quickly"]
    text = " ".join(f"{source.choice(words)} !!!!" for _ in range(25_000))
    assert differences(subjects["albert.model"], [text]) == []


@pytest.mark.parametrize("kind", ["unigram", "bpe"])
def test_words_that_users_defined(kind: str, real_texts: list[str], tmp_path: Path) -> None:
    sentencepiece = pytest.importorskip("sentencepiece")
    path = tmp_path / "spiece.model"
    with path.open("wb") as file:
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(real_texts),
            model_writer=file,
            model_type=kind,
            vocab_size=800,
            user_defined_symbols=["ab", "abc", "the c", "ing t", "qu"],
            minloglevel=2,
        )
    processor = sentencepiece.SentencePieceProcessor(model_file=str(path))
    ours = graft.Tokenizer.from_pretrained(tmp_path)
    texts = [*real_texts, "the cat abcd about", "ababc quabc the cabin!!! and!!!! so!!!!!"]
    assert [row.tolist() for row in ours.encode_batch(texts)] == processor.encode(texts)


@pytest.mark.parametrize("name", [name for name in NAMES if not name.endswith(".model")])
def test_every_character(name: str, subjects: dict[str, oracles.Subject]) -> None:
    codes = [code for code in range(0x110000) if not 0xD800 <= code < 0xE000]
    texts = ["a" + "b ".join(map(chr, codes[at : at + 64])) for at in range(0, len(codes), 64)]
    sample = random.Random(0).sample(texts, 2500)
    assert differences(subjects[name], sample) == []


@pytest.mark.parametrize("name", NAMES)
def test_text_of_one_long_line(name: str, subjects: dict[str, oracles.Subject]) -> None:
    line = "ab12 é世界 " * 20_000
    assert differences(subjects[name], [line]) == []


@pytest.mark.parametrize("name", ["bert-uncased", "gpt2", "albert"])
def test_batches_are_what_single_texts_are(
    name: str, subjects: dict[str, oracles.Subject], real_texts: list[str]
) -> None:
    ours = subjects[name].ours
    texts = real_texts[:300]
    batch = ours.encode_batch(pa.array(texts))
    assert [row.tolist() for row in batch] == [ours(text).ids for text in texts]


@pytest.mark.parametrize("name", ["bert-uncased", "gpt2", "llama3", "albert"])
def test_saved_files_give_the_peer_the_same(
    name: str, subjects: dict[str, oracles.Subject], real_texts: list[str], tmp_path: Path
) -> None:
    transformers = pytest.importorskip("transformers")
    subjects[name].ours.save_pretrained(tmp_path / "saved")
    theirs = transformers.PreTrainedTokenizerFast.from_pretrained(tmp_path / "saved")
    again = graft.Tokenizer.from_pretrained(tmp_path / "saved")
    texts = real_texts[:100]
    assert theirs(texts)["input_ids"] == [row.tolist() for row in again.encode_batch(texts)]


@pytest.mark.parametrize("name", ["bert-uncased", "gpt2", "llama3", "albert"])
def test_decoding(name: str, subjects: dict[str, oracles.Subject], real_texts: list[str]) -> None:
    import tokenizers

    ours = subjects[name].ours
    oracle = tokenizers.Tokenizer.from_str(json.dumps(ours._rules.spec))
    for text in real_texts[:200]:
        ids = ours(text).ids
        assert ours.decode(ids) == oracle.decode(ids)
        stream = ours.decode_stream()
        assert "".join([*map(stream.push, ids), stream.finish()]) == ours.decode(ids)
