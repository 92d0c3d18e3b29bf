"""A sequence's result does not depend on its neighbours."""

import random
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import graft
from graft.errors import ModelError
from graft.models.families import FAMILIES
from small import make_classifier, make_model, random_ids

MIXES = [[1, 2], [2, 1, 1, 3], [512, 1, 2, 30], [9, 9, 9], [100, 3, 512, 3, 100, 64, 1]]


@pytest.fixture(scope="module")
def classifier() -> graft.Model:
    return make_classifier(max_positions=512)


def alone(model: graft.Model, sequences: list[list[int]]) -> tuple[torch.Tensor, torch.Tensor]:
    """Logits and hidden states of each sequence in a batch of its own."""
    outputs = [model(graft.Batch.from_sequences([ids]), hidden=True) for ids in sequences]
    return torch.cat([o.logits for o in outputs]), torch.cat([o.hidden for o in outputs])


@torch.inference_mode()
@pytest.mark.parametrize("lengths", MIXES, ids=str)
def test_packed_equals_alone(classifier: graft.Model, lengths: list[int]) -> None:
    sequences = random_ids(lengths)
    logits, hidden = alone(classifier, sequences)
    packed = classifier(graft.Batch.from_sequences(sequences), hidden=True)
    torch.testing.assert_close(packed.logits, logits, atol=1e-5, rtol=0)
    torch.testing.assert_close(packed.hidden, hidden, atol=1e-5, rtol=0)


@settings(max_examples=15)
@given(st.lists(st.integers(1, 60), min_size=2, max_size=20), st.randoms(use_true_random=False))
@torch.inference_mode()
def test_order_and_company_do_not_matter(
    classifier: graft.Model, lengths: list[int], source: random.Random
) -> None:
    order = source.sample(range(len(lengths)), len(lengths))
    sequences = random_ids(lengths)
    shuffled = classifier(graft.Batch.from_sequences([sequences[i] for i in order])).logits
    logits = classifier(graft.Batch.from_sequences(sequences)).logits
    torch.testing.assert_close(shuffled, logits[order], atol=1e-5, rtol=0)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_an_answer_does_not_depend_on_those_before(dtype: torch.dtype) -> None:
    fresh, asked = (make_classifier(max_positions=512).to(dtype) for _ in range(2))
    asked.load_state_dict(fresh.state_dict())
    with torch.inference_mode():
        asked(graft.Batch.from_sequences(random_ids([9, 30, 4])))
        for question in random_ids([*range(1, 30)]):
            batch = graft.Batch.from_sequences([question])
            assert torch.equal(asked(batch).logits, fresh(batch).logits)


@torch.inference_mode()
def test_hidden_states_do_not_change_the_logits(classifier: graft.Model) -> None:
    batch = graft.Batch.from_sequences(random_ids([4, 30, 4, 1]))
    plain, full = classifier(batch), classifier(batch, hidden=True)
    assert plain.hidden is None
    assert full.hidden.shape == (batch.tokens, 32)
    assert plain.logits.shape == (4, 3)
    torch.testing.assert_close(plain.logits, full.logits, atol=1e-6, rtol=0)


@torch.inference_mode()
def test_a_body_gives_hidden_states_alone() -> None:
    output = make_model()(graft.Batch.from_sequences(random_ids([4, 2])))
    assert output.logits is None
    assert output.hidden.shape == (6, 32)


@torch.inference_mode()
def test_segments_matter_and_missing_ones_are_the_first(classifier: graft.Model) -> None:
    sequences = random_ids([4, 3])

    def logits(segments: list[list[int]] | None) -> torch.Tensor:
        found = classifier(graft.Batch.from_sequences(sequences, type_ids=segments)).logits
        assert found is not None
        return found

    none, zeros = logits(None), logits([[0] * 4, [0] * 3])
    second = logits([[0, 0, 1, 1], [0] * 3])
    torch.testing.assert_close(none, zeros)
    assert (none[0] - second[0]).abs().max() > 1e-4
    torch.testing.assert_close(none[1], second[1], atol=1e-6, rtol=0)


@torch.inference_mode()
def test_where_there_is_one_segment_all_are_in_it() -> None:
    """A tokenizer may number segments that its model does not tell apart."""
    model, sequences = make_classifier(segments=1), random_ids([4, 3])
    second = [[0, 0, 1, 1], [0, 0, 1]]
    found = model(graft.Batch.from_sequences(sequences, type_ids=second)).logits
    torch.testing.assert_close(found, model(graft.Batch.from_sequences(sequences)).logits)


def test_gradients_do_not_depend_on_packing(classifier: graft.Model) -> None:
    sequences = random_ids([1, 12, 12, 40])
    parameters = list(classifier.parameters())

    def gradients(batches: list[list[list[int]]]) -> list[torch.Tensor]:
        classifier.zero_grad()
        for part in batches:
            classifier(graft.Batch.from_sequences(part)).logits.logsumexp(-1).sum().backward()
        return [p.grad.clone() for p in parameters if p.grad is not None]

    packed = gradients([sequences])
    assert len(packed) == len(parameters)
    torch.testing.assert_close(
        packed, gradients([[ids] for ids in sequences]), atol=1e-4, rtol=1e-4
    )
    classifier.zero_grad()


def test_a_batch_that_was_read_can_be_trained_on(classifier: graft.Model) -> None:
    """What a batch keeps of its first use does not stand in the way of gradients."""
    batch = graft.Batch.from_sequences(random_ids([9, 30, 30, 2]))
    with torch.inference_mode():
        expected = classifier(batch).logits
    logits = classifier(batch).logits
    logits.sum().backward()
    torch.testing.assert_close(logits.detach(), expected.clone(), atol=1e-5, rtol=0)
    classifier.zero_grad()


@pytest.mark.parametrize("family", ["bert", "awd_lstm"])
def test_ids_that_the_model_does_not_have(family: str) -> None:
    shape = {"vocab_size": 9, "hidden_size": 8, "num_attention_heads": 2}
    body = graft.Model(FAMILIES[family].read_config(shape)).eval()
    for wrong in (9, -1):
        with pytest.raises(ModelError, match=f"has token {wrong}, but .* tokens 0 to 8"):
            body(graft.Batch.from_sequences([[3], [4, wrong]]))
    if family == "bert":
        batch = graft.Batch.from_sequences([[3, 4]], type_ids=[[0, 2]])
        with pytest.raises(ModelError, match="has segment 2, but the model has segments 0 to 1"):
            body(batch)


def test_a_sequence_longer_than_the_model_reads() -> None:
    with pytest.raises(ModelError, match=r"65 tokens.*reads up to 64"):
        make_classifier()(graft.Batch.from_sequences(random_ids([3, 65])))


@pytest.mark.minilm
@torch.inference_mode()
def test_packed_equals_alone_in_a_real_model(minilm: Path) -> None:
    model = graft.Model.from_pretrained(minilm)
    sequences = random_ids([1, 512, 2, 9, 17, 9])
    hidden = torch.cat([model(graft.Batch.from_sequences([ids])).hidden for ids in sequences])
    packed = model(graft.Batch.from_sequences(sequences)).hidden
    torch.testing.assert_close(packed, hidden, atol=1e-5, rtol=0)
