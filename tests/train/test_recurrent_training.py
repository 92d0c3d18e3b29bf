"""Recurrent models are trained, frozen, saved and used as all others are."""

import math
import os
import random
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from learners import changed, weights_of

import graft
from graft.errors import TaskError
from graft.models.families import FAMILIES
from graft.models.losses import language_model_loss
from graft.models.recurrent_heads import TagHead
from graft.train.optim import layer_groups
from small import TOPICS, VOCABULARY, topic_rows, topic_text, write_vocabulary

CLASSIFIER = "text-classification"
SIZES = {"vocab_size": len(VOCABULARY), "embedding_size": 24, "hidden_size": 16}
LANGUAGE_MODEL = {
    "num_hidden_layers": 1,
    "embedding_size": 48,
    "hidden_size": 48,
    "initializer_range": 0.2,
    "word_dropout": 0.0,
    "input_dropout": 0.1,
    "weight_dropout": 0.1,
}


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> graft.Tokenizer:
    folder = tmp_path_factory.mktemp("words")
    write_vocabulary(folder)
    return graft.Tokenizer.from_pretrained(folder)


def make(family: str, task: str, labels: tuple[str, ...] = (), **settings: Any) -> graft.Model:
    config = FAMILIES[family].read_config({**SIZES, "num_hidden_layers": 2, **settings})
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return graft.Model(replace(config, labels=labels), task)


def new_learner(
    data: Any, tokenizer: graft.Tokenizer, family: str = "bilstm", **settings: Any
) -> graft.Learner:
    """A Learner with a model of its own, from nothing."""
    model = make(family, CLASSIFIER, tuple(TOPICS))
    given = {"model": model, "tokenizer": tokenizer, "batch_size": 8, "progress": False}
    return graft.Learner(CLASSIFIER, data, **{**given, **settings})


class TestLearner:
    @pytest.mark.parametrize("family", ["bilstm", "awd_lstm"])
    @pytest.mark.parametrize("precision", ["fp32", "bf16"])
    def test_learns_from_nothing(
        self, topics: Path, tokenizer: graft.Tokenizer, family: str, precision: str, tmp_path: Path
    ) -> None:
        learn = new_learner(topics, tokenizer, family, precision=precision)
        learn.fit_one_cycle(8, 1e-2)
        assert learn.evaluate("test")["accuracy"] >= 0.9
        learn.save(tmp_path)
        texts = [text for text, _ in topic_rows(20, seed=9)]
        pipe = graft.pipeline(tmp_path, precision=precision)
        ours = [answer.label for answer in learn.predict(texts)]
        assert [answer.label for answer in pipe(texts)] == ours

    def test_layers_are_frozen_from_the_input_on(
        self, topics: Path, tokenizer: graft.Tokenizer
    ) -> None:
        learn = new_learner(topics, tokenizer)
        assert len(layer_groups(learn.model)) == 4  # embeddings, two layers, head
        learn.freeze()
        before = weights_of(learn)
        learn.fit(1, 1e-2)
        assert changed(learn, before) == {"head.classify.weight", "head.classify.bias"}
        learn.freeze_to(2)
        before = weights_of(learn)
        learn.fit(1, 1e-2)
        assert {name.split(".ways")[0] for name in changed(learn, before)} == {
            "body.blocks.1",
            "head.classify.weight",
            "head.classify.bias",
        }
        learn.unfreeze()
        before = weights_of(learn)
        learn.fit(1, slice(1e-3, 1e-2))
        assert changed(learn, before) == set(before)

    def test_more_layers_than_there_are(self, topics: Path, tokenizer: graft.Tokenizer) -> None:
        with pytest.raises(TaskError, match="1 to 4"):
            new_learner(topics, tokenizer).freeze_to(5)


class TestTransfer:
    def test_a_language_model_helps_a_classifier(
        self, topics: Path, tokenizer: graft.Tokenizer, tmp_path: Path
    ) -> None:
        """It learns which words go together from texts alone, and few labels are enough."""
        source = random.Random(5)
        names = list(TOPICS)
        texts = [topic_text([names[i % 3]] * 2, source) for i in range(500)]
        ids = [tokenizer(text).ids for text in texts]
        model = make("awd_lstm", "text-generation", **LANGUAGE_MODEL)
        _train_language_model(model, ids[:400], epochs=6)
        counts = Counter(word for text in ids[400:] for word in text[1:])
        chances = [count / counts.total() for count in counts.values()]
        of_words_alone = -sum(chance * math.log(chance) for chance in chances)
        assert _language_model_loss(model, ids[400:]) < of_words_alone - 0.1
        model.save_pretrained(tmp_path)
        tokenizer.save_pretrained(tmp_path)
        learn = graft.Learner(CLASSIFIER, topics, tmp_path, batch_size=8, progress=False)
        body = model.body.state_dict()
        for name, tensor in learn.model.body.state_dict().items():
            assert torch.equal(tensor, body[name])
        learn.fine_tune(3, 2e-3)
        assert learn.evaluate("test")["accuracy"] >= 0.9


def _train_language_model(model: graft.Model, ids: list[list[int]], epochs: int) -> None:
    optimizer = torch.optim.Adam(model.parameters(), 1e-2)
    torch.manual_seed(0)
    model.train()
    for _ in range(epochs):
        for start in range(0, len(ids), 10):
            batch = graft.Batch.from_sequences(ids[start : start + 10])
            logits = model(batch).logits
            assert logits is not None
            optimizer.zero_grad()
            language_model_loss(logits, batch).backward()
            optimizer.step()


@torch.no_grad()
def _language_model_loss(model: graft.Model, ids: list[list[int]]) -> float:
    """Of each next token, in nats."""
    batch = graft.Batch.from_sequences(ids)
    logits = model.eval()(batch).logits
    assert logits is not None
    return float(language_model_loss(logits, batch))


Tagged = list[tuple[list[str], list[str]]]
"""Texts as words, and the label of each word."""


@pytest.fixture(scope="module")
def sentences() -> Tagged:
    """Sentences with parts of speech (UD English EWT)."""
    beside = Path(__file__).parents[3] / "shared" / "data"
    path = Path(os.environ.get("GRAFT_TEST_DATA") or beside) / "ud-ewt" / "train.conllu"
    if not path.is_file():
        pytest.skip(f"no real data in {path.parent}; set GRAFT_TEST_DATA to its folder")
    rows: Tagged = [([], [])]
    for line in path.read_text(encoding="utf-8").splitlines():
        fields = line.split("\t")
        if fields[0].isdigit():
            rows[-1][0].append(fields[1].lower())
            rows[-1][1].append(fields[3])
        elif rows[-1][0]:
            rows.append(([], []))
    return rows[:500]


@pytest.mark.data
@pytest.mark.parametrize("crf", [True, False])
def test_a_tagger_in_a_plain_loop_learns_parts_of_speech(
    sentences: Tagged, crf: bool, tmp_path: Path
) -> None:
    train, test = sentences[:400], sentences[400:]
    counts = Counter(word for row, _ in train for word in row)
    known = sorted(word for word, count in counts.items() if count > 1)
    words = {word: i for i, word in enumerate(["", *known])}
    labels = tuple(sorted({tag for _, tags in sentences for tag in tags}))
    settings = {"vocab_size": len(words), "embedding_size": 32, "hidden_size": 32}
    model = make("bilstm", "token-classification", labels, crf=crf, **settings).train()
    optimizer = torch.optim.Adam(model.parameters(), 1e-2)
    torch.manual_seed(0)
    for _ in range(3):
        for start in range(0, len(train), 20):
            batch, tags = _tagged(train[start : start + 20], words, labels)
            logits = model(batch).logits
            assert logits is not None
            assert isinstance(model.head, TagHead)
            optimizer.zero_grad()
            model.head.loss(logits, tags, batch).mean().backward()
            optimizer.step()
    model.save_pretrained(tmp_path)
    batch, tags = _tagged(test, words, labels)
    again = graft.Model.from_pretrained(tmp_path)
    logits = again(batch).logits
    assert logits is not None
    assert isinstance(again.head, TagHead)
    answers = again.head.decode(logits, batch)
    assert float((answers == tags).float().mean()) > 0.55  # the commonest is less than 0.2


def _tagged(
    rows: Tagged, words: dict[str, int], labels: tuple[str, ...]
) -> tuple[graft.Batch, torch.Tensor]:
    """Rows as a batch, words not known as the first one, with the number of each word's label."""
    batch = graft.Batch.from_sequences([[words.get(word, 0) for word in row] for row, _ in rows])
    return batch, torch.tensor([labels.index(tag) for _, tags in rows for tag in tags])
