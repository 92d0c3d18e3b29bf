"""Encoder-decoder models: both stacks, every head, losses, gradients and files."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from oracle import assert_answers_close, assert_close, assert_same, build, run, run_ours
from safetensors.torch import save_file
from texts import Texts, make_texts, padded
from torch import Tensor

import graft
from graft.models.cache import Cache
from graft.models.context import Context
from graft.models.losses import IGNORED, writing_loss
from small import VOCABULARY, random_ids

STEPS = 9
SOURCES, TARGETS = [9, 1, 2, 9, 30, 23], [4, 6, 1, 12, 4, 3]
BART_SIZES: dict[str, Any] = {
    "vocab_size": len(VOCABULARY),
    "d_model": 24,
    "encoder_layers": 2,
    "decoder_layers": 3,
    "encoder_attention_heads": 3,
    "decoder_attention_heads": 2,
    "encoder_ffn_dim": 40,
    "decoder_ffn_dim": 28,
    "max_position_embeddings": 40,
    "pad_token_id": 0,
    "bos_token_id": 3,
    "eos_token_id": 2,
    "forced_eos_token_id": 2,
    "decoder_start_token_id": 2,
    "init_std": 0.2,
}
T5_SIZES: dict[str, Any] = {
    "vocab_size": len(VOCABULARY),
    "d_model": 24,
    "d_kv": 5,
    "d_ff": 40,
    "num_layers": 2,
    "num_decoder_layers": 3,
    "num_heads": 3,
    "relative_attention_num_buckets": 8,
    "relative_attention_max_distance": 20,
    "decoder_start_token_id": 0,
}
STEMS: dict[str, tuple[str, dict[str, Any]]] = {
    "bart": ("Bart", BART_SIZES),
    "mbart": ("MBart", {**BART_SIZES, "scale_embedding": True}),
    "marian": ("Marian", {**BART_SIZES, "scale_embedding": True, "decoder_start_token_id": 0}),
    "pegasus": ("Pegasus", {**BART_SIZES, "activation_function": "relu"}),
    "t5": ("T5", T5_SIZES),
    "mt5": ("MT5", T5_SIZES),
}
"""How the oracle calls its classes of a family, and sizes."""

APART = {"share_encoder_decoder_embeddings": False}
READERS = ("bart", "mbart", "t5", "mt5")
"""Those that have other heads than that which writes."""

SINES = (
    "model.encoder.embed_positions.",
    "model.decoder.embed_positions.",
    *(f"{stack}.embed_positions." for stack in ("encoder", "decoder")),
)
"""Tables that ours computes."""

UNUSED = ("model.shared.", "shared.")
"""What the oracle keeps, and does not use, where its weights are not tied."""


VARIANTS: dict[str, tuple[str, dict[str, Any]]] = {
    "gated GELU": ("t5", {"feed_forward_proj": "gated-gelu"}),
    "gated SiLU": ("mt5", {"feed_forward_proj": "gated-silu"}),
    "GELU": ("t5", {"feed_forward_proj": "gelu"}),
    "unscaled": ("t5", {"tie_word_embeddings": False, "feed_forward_proj": "gated-gelu"}),
    "32 buckets": ("t5", {"relative_attention_num_buckets": 32}),
    "7 buckets": ("mt5", {"relative_attention_num_buckets": 7}),
    "one head": ("t5", {"num_heads": 1, "d_kv": 7}),
    "as deep": ("mt5", {"num_decoder_layers": None, "layer_norm_epsilon": 1e-2}),
    "shallow": ("t5", {"num_decoder_layers": 1, "vocab_size": 99}),
    "scaled embedding": ("bart", {"scale_embedding": True, "activation_function": "gelu_new"}),
    "unscaled embedding": ("mbart", {"scale_embedding": False, "activation_function": "relu"}),
    "no padding": ("bart", {"pad_token_id": None, "encoder_layers": 1, "decoder_layers": 1}),
    "untied": ("bart", {"tie_word_embeddings": False}),
    "untied, before": ("mbart", {"tie_word_embeddings": False}),
    "two vocabularies": ("marian", {**APART, "decoder_vocab_size": len(VOCABULARY) + 9}),
    "two of one size": ("marian", APART),
    "two, untied": (
        "marian",
        {**APART, "tie_word_embeddings": False, "decoder_vocab_size": len(VOCABULARY) + 9},
    ),
    "odd width": (
        "marian",
        {"d_model": 21, "encoder_attention_heads": 7, "decoder_attention_heads": 1},
    ),
    "far positions": ("pegasus", {"max_position_embeddings": 600, "scale_embedding": True}),
}
"""What differs from the usual shape, by name."""


def check(folder: Path, family: str, head: str, texts: Texts | None = None, **changes: Any) -> None:
    stem, sizes = STEMS[family]
    kind = getattr(transformers, stem + head)
    config = kind.config_class(**{**sizes, **changes})
    texts = texts or make_texts(SOURCES, decoder=TARGETS)
    assert_same(
        kind, config, folder, texts, missing=SINES + (() if config.tie_word_embeddings else UNUSED)
    )


def ended(start: int | None, end: int) -> Texts:
    """Texts that end as a classifier of pairs asks, read by the decoder too."""
    sequences = [[*ids[1:], end] for ids in random_ids(SOURCES)]
    decoder = [[ids[-1] if start is None else start, *ids[:-1]] for ids in sequences]
    return Texts(sequences, decoder=decoder)


@pytest.mark.parametrize("family", STEMS)
def test_a_body(tmp_path: Path, family: str) -> None:
    check(tmp_path, family, "Model")


@pytest.mark.parametrize("family", STEMS)
def test_writing(tmp_path: Path, family: str) -> None:
    check(tmp_path, family, writer_of(family))


@pytest.mark.parametrize("variant", VARIANTS)
def test_every_shape(tmp_path: Path, variant: str) -> None:
    family, changes = VARIANTS[variant]
    texts = None
    if changes.get("max_position_embeddings", 0) > 512:
        texts = make_texts([3, 590], decoder=[550, 2])
    check(tmp_path, family, writer_of(family), texts, **changes)


def writer_of(family: str) -> str:
    return "MTModel" if family == "marian" else "ForConditionalGeneration"


@pytest.mark.parametrize("family", READERS)
def test_classes_of_texts(tmp_path: Path, family: str) -> None:
    end = STEMS[family][1].get("eos_token_id", 1)
    check(tmp_path, family, "ForSequenceClassification", ended(0, end), num_labels=5)


@pytest.mark.parametrize("family", READERS)
def test_spans(tmp_path: Path, family: str) -> None:
    check(tmp_path, family, "ForQuestionAnswering")


@pytest.mark.parametrize("family", ["t5", "mt5"])
@pytest.mark.parametrize(
    ("head", "changes"), [("EncoderModel", {}), ("ForTokenClassification", {"num_labels": 4})]
)
def test_an_encoder_alone(tmp_path: Path, family: str, head: str, changes: dict[str, int]) -> None:
    check(tmp_path, family, head, make_texts(SOURCES), **changes)


APART_ALL = {"tie_word_embeddings": False}
AS_DEEP = {"num_decoder_layers": None}
WRITING = dict(zip(STEMS, [APART_ALL] * 4 + [AS_DEEP] * 2, strict=True))
"""Random models that do not write one token for ever, nor deeper than the oracle's cache."""


@pytest.mark.parametrize("family", STEMS)
def test_the_loss_of_pairs(tmp_path: Path, family: str) -> None:
    """The oracle shifts what is to be written itself."""
    oracle, model = both_of(tmp_path, family)
    texts = make_texts(SOURCES, decoder=TARGETS)
    assert texts.decoder is not None
    start = None if family == "mbart" else 0
    batch = graft.Batch.from_pairs(texts.sequences, texts.decoder, start)
    ids, mask = padded(texts.sequences)
    labels, _ = padded(texts.decoder, IGNORED)
    expected = oracle(ids, attention_mask=mask, labels=labels).loss
    assert_close(writing_loss(model(batch).logits, batch), expected, "loss")


class TestDecoding:
    """A token at a time, with a cache, as generation does it."""

    @pytest.mark.parametrize("family", STEMS)
    def test_greedy_decoding_writes_what_the_oracle_writes(
        self, tmp_path: Path, family: str
    ) -> None:
        changes = {"eos_token_id": None, "forced_eos_token_id": None, **WRITING[family]}
        oracle, model = both_of(tmp_path, family, **changes)
        texts = make_texts([5, 30, 1, 12, 5, 30])
        ids, mask = padded(texts.sequences)
        start = model.config.special["decoder_start_token_id"]
        theirs = oracle.generate(
            ids,
            attention_mask=mask,
            max_new_tokens=STEPS,
            num_beams=1,
            do_sample=False,
            eos_token_id=None,
            forced_eos_token_id=None,
            decoder_start_token_id=start,
            output_logits=True,
            return_dict_in_generate=True,
        )
        written, logits = greedy(model, texts.sequences, start)
        assert torch.equal(written, theirs.sequences[:, 1:])
        assert len(written.unique()) > 1
        for step, (found, expected) in enumerate(zip(logits, theirs.logits, strict=True)):
            assert_close(found, expected, f"logits of step {step}")

    @pytest.mark.parametrize("family", STEMS)
    def test_steps_give_what_one_pass_gives(self, tmp_path: Path, family: str) -> None:
        """Whatever the lengths of what is written before the first step."""
        _, model = both_of(tmp_path, family)
        texts = make_texts([9, 2, 30], decoder=[STEPS + 1, STEPS + 4, STEPS + 2])
        assert texts.decoder is not None
        whole = model(texts.batch).logits
        rows = whole.split([len(row) for row in texts.decoder])
        begun = [row[: len(row) - STEPS] for row in texts.decoder]
        memory = model.body.encode(Context(texts.batch))
        cache = Cache(model.config.answering, STEPS + 4)
        for step in range(STEPS + 1):
            new = begun if step == 0 else [[row[step - STEPS - 1]] for row in texts.decoder]
            batch = graft.Batch.from_sequences(new)
            states = model.body.decoder(Context(batch, cache=cache, memory=memory))
            found = model.head(states, batch, model.body.vocabulary)[batch.starts[1:] - 1]
            expected = torch.stack([row[len(row) - STEPS + step - 1] for row in rows])
            assert_close(found, expected, f"logits of step {step}")


def both_of(folder: Path, family: str, **changes: Any) -> tuple[Any, graft.Model]:
    """A random model that writes, the oracle's and ours."""
    stem, sizes = STEMS[family]
    kind = getattr(transformers, stem + writer_of(family))
    oracle = build(kind, kind.config_class(**{**sizes, "decoder_start_token_id": 0, **changes}))
    oracle.save_pretrained(folder)
    return oracle, graft.Model.from_pretrained(folder)


@torch.inference_mode()
def greedy(model: graft.Model, sources: list[list[int]], start: int) -> tuple[Tensor, list[Tensor]]:
    """The most likely tokens, one after another, and the logits of each step."""
    memory = model.body.encode(Context(graft.Batch.from_sequences(sources)))
    cache = Cache(model.config.answering, STEPS)
    tokens = torch.full((len(sources),), start)
    written, logits = [], []
    for _ in range(STEPS):
        batch = graft.Batch.from_sequences(tokens[:, None].tolist())
        states = model.body.decoder(Context(batch, cache=cache, memory=memory))
        logits.append(model.head(states, batch, model.body.vocabulary))
        tokens = logits[-1].argmax(-1)
        written.append(tokens)
    return torch.stack(written, dim=1), logits


class TestFiles:
    """What checkpoints in the wild do otherwise than the oracle's own."""

    @pytest.mark.parametrize("family", ["t5", "mt5", "bart"])
    def test_a_head_of_its_own_that_the_settings_deny(self, tmp_path: Path, family: str) -> None:
        """The oracle calls T5's later versions tied, though they are not."""
        oracle, _ = both_of(tmp_path / "tied", family)
        own = torch.randn(oracle.lm_head.weight.shape, generator=torch.Generator().manual_seed(1))
        oracle.lm_head.weight = torch.nn.Parameter(own)
        oracle.all_tied_weights_keys.pop("lm_head.weight")
        oracle.save_pretrained(tmp_path / "theirs")
        model = graft.Model.from_pretrained(tmp_path / "theirs")
        texts = make_texts(SOURCES, decoder=TARGETS)
        assert not model.config.answering.vocabulary.tied
        assert torch.equal(model.get_parameter("head.weight"), own)
        assert_answers_close(run_ours(model, texts, oracle.config), run(oracle, texts, model.task))
        model.save_pretrained(tmp_path / "ours")
        again = type(oracle).from_pretrained(tmp_path / "ours")
        assert torch.equal(again.lm_head.weight, own)
        assert torch.equal(
            again.get_input_embeddings().weight, oracle.get_input_embeddings().weight
        )
        back = graft.Model.from_pretrained(tmp_path / "ours")
        torch.testing.assert_close(back(texts.batch).logits, model(texts.batch).logits)

    @pytest.mark.parametrize("family", STEMS)
    def test_copies_of_the_embedding(self, tmp_path: Path, family: str) -> None:
        """A file may hold all copies of tied weights, or one that is called otherwise."""
        oracle, model = both_of(tmp_path, family)
        texts = make_texts(SOURCES, decoder=TARGETS)
        expected = model(texts.batch).logits
        state = {name: tensor.clone() for name, tensor in oracle.state_dict().items()}
        save_file(state, tmp_path / "model.safetensors")
        again = graft.Model.from_pretrained(tmp_path)
        assert torch.equal(again(texts.batch).logits, expected)
        assert again.report is not None
        assert not again.report.left_over
        embedding = next(name for name in state if name.endswith("shared.weight"))
        others = {name: tensor for name, tensor in state.items() if name != embedding}
        save_file(others, tmp_path / "model.safetensors")
        assert torch.equal(graft.Model.from_pretrained(tmp_path)(texts.batch).logits, expected)

    def test_an_encoder_that_the_settings_call_one_of_a_pair(self, tmp_path: Path) -> None:
        """Older files say so of encoders of sentences."""
        oracle = build(transformers.T5EncoderModel, transformers.T5Config(**T5_SIZES))
        oracle.save_pretrained(tmp_path)
        path = tmp_path / "config.json"
        settings = json.loads(path.read_text())
        path.write_text(json.dumps({**settings, "is_encoder_decoder": True}))
        model = graft.Model.from_pretrained(tmp_path)
        texts = make_texts(SOURCES)
        assert_answers_close(run_ours(model, texts, oracle.config), run(oracle, texts, None))

    def test_a_whole_model_asked_for_labels_of_tokens(self, tmp_path: Path) -> None:
        """The encoder does that alone."""
        oracle, _ = both_of(tmp_path / "theirs", "t5")
        model = graft.Model.from_pretrained(
            tmp_path / "theirs", task="token-classification", labels=["a", "b", "c"]
        )
        batch = graft.Batch.from_sequences(random_ids(SOURCES))
        model.save_pretrained(tmp_path / "ours")
        kind = transformers.T5ForTokenClassification
        theirs, info = kind.from_pretrained(tmp_path / "ours", output_loading_info=True)
        assert not info["missing_keys"]
        assert not info["unexpected_keys"]
        ids, mask = padded(random_ids(SOURCES))
        expected = theirs(ids, attention_mask=mask).logits[mask.bool()]
        assert_close(model(batch).logits, expected, "logits")
        encoder = oracle.encoder(ids, attention_mask=mask).last_hidden_state[mask.bool()]
        assert_close(model(batch, hidden=True).hidden, encoder, "states")

    @pytest.mark.parametrize("family", READERS)
    def test_what_is_asked_of_a_model_that_writes(self, tmp_path: Path, family: str) -> None:
        """A body that wrote becomes a classifier that the oracle loads."""
        both_of(tmp_path / "theirs", family)
        model = graft.Model.from_pretrained(
            tmp_path / "theirs", task="text-classification", labels=["a", "b", "c"]
        )
        assert model.report is not None
        assert {name.split(".")[0] for name in model.report.made_anew} == {"head"}
        model.save_pretrained(tmp_path / "ours")
        stem = STEMS[family][0]
        theirs = getattr(transformers, f"{stem}ForSequenceClassification").from_pretrained(
            tmp_path / "ours"
        )
        sequences = [[*ids, theirs.config.eos_token_id] for ids in random_ids(SOURCES)]
        ids, mask = padded(sequences)
        start = model.config.special["decoder_start_token_id"]
        shifted, _ = padded([[start, *row[:-1]] for row in sequences])
        expected = theirs(
            ids, attention_mask=mask, decoder_input_ids=shifted, decoder_attention_mask=mask
        ).logits
        assert_close(model(graft.Batch.from_sequences(sequences)).logits, expected, "logits")
        assert theirs.config.id2label == {0: "a", 1: "b", 2: "c"}
