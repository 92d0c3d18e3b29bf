"""A recurrent language model writes what it would if it read the whole text at each step."""

import pytest
import torch
from recurrents import WORDS, logits_of, make

import graft
from graft.models.generation.results import Generated

PROMPTS = [[3, 5, 7], [1], [8, 9, 10, 11, 12, 2]]
NEW = 6


@pytest.fixture(scope="module")
def model() -> graft.Model:
    return make("awd_lstm", "text-generation", num_hidden_layers=2, seed=3)


def scores_after(model: graft.Model, ids: list[int]) -> torch.Tensor:
    """The log probabilities of the next token, from the start."""
    with torch.no_grad():
        return logits_of(model, graft.Batch.from_sequences([ids]))[-1].log_softmax(-1)


def best_beams(model: graft.Model, prompt: list[int], width: int) -> list[int]:
    """A beam search that reads all it has written anew for each token."""
    beams: list[tuple[float, list[int]]] = [(0.0, [])]
    for _ in range(NEW):
        longer = [
            (score + float(chance), [*ids, token])
            for score, ids in beams
            for token, chance in enumerate(scores_after(model, [*prompt, *ids]))
        ]
        beams = sorted(longer, reverse=True)[:width]
    return beams[0][1]


def test_greedy(model: graft.Model) -> None:
    found = model.generate(PROMPTS, max_new_tokens=NEW)
    for prompt, text in zip(PROMPTS, found, strict=True):
        ids = list(prompt)
        for _ in range(NEW):
            ids.append(int(scores_after(model, ids).argmax()))
        assert list(text.ids) == ids[len(prompt) :]


def test_rows_that_end_leave_the_others_as_they_are(model: graft.Model) -> None:
    plain = model.generate(PROMPTS, max_new_tokens=NEW)
    end = plain[0].ids[2]  # the first text ends before the others
    found = model.generate(PROMPTS, max_new_tokens=NEW, eos_token_id=end)
    for text, whole in zip(found, plain, strict=True):
        upto = whole.ids.index(end) + 1 if end in whole.ids else NEW
        assert text.ids == whole.ids[:upto]


def test_beam_search(model: graft.Model) -> None:
    found = model.generate(PROMPTS, max_new_tokens=NEW, num_beams=3)
    for prompt, text in zip(PROMPTS, found, strict=True):
        assert list(text.ids) == best_beams(model, prompt, 3)


def test_several_samples_of_each_prompt(model: graft.Model) -> None:
    found: list[Generated] = model.generate(
        PROMPTS, max_new_tokens=NEW, do_sample=True, num_return_sequences=3, seed=0
    )
    assert [text.prompt for text in found] == [0, 0, 0, 1, 1, 1, 2, 2, 2]
    assert len({text.ids for text in found}) > 3
    assert all(0 <= token < WORDS for text in found for token in text.ids)
