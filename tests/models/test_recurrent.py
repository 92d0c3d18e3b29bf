"""Recurrent stacks against plain PyTorch, one text at a time, and what training drops of them."""

import math
from pathlib import Path

import pytest
import torch
from recurrents import (
    LENGTHS,
    SIZES,
    TASKS,
    WORDS,
    assert_close,
    hidden_of,
    logits_of,
    make,
    make_batch,
    saved,
    texts_of,
)
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_sequence

import graft
from graft.models.context import Context
from graft.models.losses import language_model_loss
from graft.models.lstm import Result, unroll
from graft.models.recurrent import LockedDropout, Recurrent, Run
from graft.models.recurrent_cache import State
from graft.models.time_order import TimeOrder


class TestOrder:
    @pytest.mark.parametrize("lengths", [[1], [3, 3], LENGTHS, [1, 1, 7, 2, 2, 9, 1]])
    def test_is_that_of_packed_sequences(self, lengths: list[int]) -> None:
        tokens = torch.arange(sum(lengths))
        packed = pack_sequence(tokens.split(lengths), enforce_sorted=False)
        order = TimeOrder.of(torch.tensor(lengths), torch.device("cpu"))
        assert order.sizes.tolist() == packed.batch_sizes.tolist()
        assert order.tokens.tolist() == packed.data.tolist()
        assert order.ranks.tolist() == packed.unsorted_indices.tolist()
        assert tokens[order.tokens][order.slots].tolist() == tokens.tolist()
        sequences = tokens.new_tensor(range(len(lengths))).repeat_interleave(torch.tensor(lengths))
        assert order.ranks[sequences][order.tokens].tolist() == order.rows.tolist()


class TestParity:
    """Against `torch.nn.LSTM`, which reads each text alone."""

    @pytest.mark.parametrize(
        "shape",
        [{}, {"num_hidden_layers": 3}, {"hidden_size": 1}, {"embedding_size": 7, "hidden_size": 5}],
    )
    def test_bilstm(self, tmp_path: Path, shape: dict[str, int]) -> None:
        model, batch = make("bilstm", **shape), make_batch()
        sizes = {"num_hidden_layers": 1, **SIZES, **shape}
        wide, deep = sizes["embedding_size"], sizes["num_hidden_layers"]
        plain = nn.ModuleDict(
            {
                "embedding": nn.Embedding(WORDS, wide),
                "lstm": nn.LSTM(wide, sizes["hidden_size"], deep, bidirectional=True),
            }
        )
        plain.load_state_dict(saved(model, tmp_path))
        states = [plain["lstm"](plain["embedding"](ids))[0] for ids in batch.ids.split(LENGTHS)]
        self.compare(model, batch, torch.cat(states), plain, tmp_path)

    @pytest.mark.parametrize("layers", [1, 3])
    def test_awd_lstm(self, tmp_path: Path, layers: int) -> None:
        model, batch = make("awd_lstm", num_hidden_layers=layers), make_batch()
        widths = [12, *[10] * (layers - 1), 12]
        plain = nn.ModuleDict({"encoder": nn.Embedding(WORDS, 12)})
        for layer in range(layers):
            plain[f"rnns{layer}"] = nn.LSTM(widths[layer], widths[layer + 1])
        plain.load_state_dict(_plain_names(saved(model, tmp_path)))
        rows = []
        for ids in batch.ids.split(LENGTHS):
            states = plain["encoder"](ids)
            for layer in range(layers):
                states, _ = plain[f"rnns{layer}"](states)
            rows.append(states)
        self.compare(model, batch, torch.cat(rows), plain, tmp_path)

    @staticmethod
    def compare(
        model: graft.Model, batch: graft.Batch, wanted: Tensor, plain: nn.Module, folder: Path
    ) -> None:
        """States, and the gradients of all weights."""
        found = hidden_of(model, batch)
        assert_close(found, wanted)
        weights = torch.linspace(-1, 1, wanted.numel()).view(wanted.shape)
        (found * weights).sum().backward()
        (wanted * weights).sum().backward()
        gradients = graft.Model(model.config)
        gradients.load_state_dict({name: p.grad for name, p in model.named_parameters()})
        theirs = {name: p.grad for name, p in plain.named_parameters()}
        ours = _plain_names(saved(gradients, folder / "gradients"))
        assert ours.keys() == theirs.keys()
        for name, gradient in theirs.items():
            assert gradient is not None
            assert_close(ours[name], gradient)

    @pytest.mark.parametrize(("family", "task"), TASKS)
    def test_packed_equals_alone(self, family: str, task: str | None) -> None:
        model, batch = make(family, task, num_hidden_layers=2), make_batch()
        assert_close(
            hidden_of(model, batch), torch.cat([hidden_of(model, b) for b in texts_of(batch)])
        )
        if task is not None:
            alone = [logits_of(model, text) for text in texts_of(batch)]
            assert_close(logits_of(model, batch), torch.cat(alone))

    def test_states_of_every_layer(self) -> None:
        model, batch = make("awd_lstm", num_hidden_layers=3), make_batch()
        states = model(batch, hidden_states=True).hidden_states
        assert [tuple(entry.shape) for entry in states] == [(22, 12), (22, 10), (22, 10), (22, 12)]
        assert_close(states[0], model.body.embeddings.tokens(batch.ids))
        assert_close(states[-1], hidden_of(model, batch))

    @pytest.mark.parametrize("family", ["bilstm", "awd_lstm"])
    def test_with_and_without_a_gradient(self, family: str) -> None:
        model, batch = make(family, num_hidden_layers=2), make_batch()
        with torch.no_grad():
            quietly = hidden_of(model, batch)
        assert_close(hidden_of(model, batch), quietly)

    @pytest.mark.parametrize("gradient", [True, False])
    def test_texts_in_two_parts_equal_whole_ones(self, gradient: bool) -> None:
        """The states behind the first part are read on from, in whatever order of length."""
        body, batch = make("awd_lstm", num_hidden_layers=2).body, make_batch([5, 3, 9, 5, 2])
        assert isinstance(body, Recurrent)
        wanted = body(Context(batch)).split(batch.lengths.tolist())
        cuts = [1, 2, 3, 4, 1]
        texts = zip(batch.ids.split(batch.lengths.tolist()), cuts, strict=True)
        parts = [ids.split([cut, len(ids) - cut]) for ids, cut in texts]
        states: list[State] = []
        with torch.set_grad_enabled(gradient):
            for number in range(2):
                part = graft.Batch.from_sequences([pair[number].tolist() for pair in parts])
                run = Run(TimeOrder.of(part.lengths, part.ids.device), before=states)
                found = body.run(Context(part), run).split(part.lengths.tolist())
                states = run.after
                for row, own in enumerate(found):
                    start = 0 if number == 0 else cuts[row]
                    assert_close(own, wanted[row][start : start + len(own)])

    @pytest.mark.parametrize("backwards", [True, False])
    def test_gradients_are_those_of_the_values(self, backwards: bool) -> None:
        order = TimeOrder.of(torch.tensor([3, 1, 2, 3]), torch.device("cpu"))
        source = torch.Generator().manual_seed(0)
        shapes = [(9, 8), (8, 2), (4, 2), (4, 2)]
        inputs = [
            torch.randn(shape, generator=source, dtype=torch.float64, requires_grad=True)
            for shape in shapes
        ]

        def read(gates: Tensor, weight: Tensor, state: Tensor, cell: Tensor) -> Result:
            return unroll(gates, weight, order.sizes.tolist(), state, cell, backwards)

        assert torch.autograd.gradcheck(read, inputs)


def _plain_names(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """An AWD-LSTM's names, as a table of modules has them."""
    return {
        name.replace("rnns.", "rnns").replace("module.", "").replace("_raw", ""): tensor
        for name, tensor in tensors.items()
    }


class TestDropouts:
    def make(self, **shares: float) -> graft.Model:
        """An AWD-LSTM in training that drops nothing but this."""
        names = ("word_dropout", "input_dropout", "hidden_dropout", "weight_dropout")
        none = dict.fromkeys((*names, "output_dropout"), 0.0)
        return make("awd_lstm", "text-generation", **{**none, **shares}).train()

    def test_nothing_is_dropped_outside_training(self) -> None:
        model, batch = make("awd_lstm", "text-generation", weight_dropout=0.5), make_batch()
        assert torch.equal(logits_of(model, batch), logits_of(model, batch))

    @pytest.mark.parametrize(
        "name",
        ["word_dropout", "input_dropout", "hidden_dropout", "weight_dropout", "output_dropout"],
    )
    def test_each_does_something_in_training(self, name: str) -> None:
        model, batch = self.make(**{name: 0.5}), make_batch()
        assert not torch.equal(logits_of(model, batch), logits_of(model, batch))
        model = self.make()
        assert torch.equal(logits_of(model, batch), logits_of(model, batch))

    def test_weights_are_dropped_and_the_others_scaled(self) -> None:
        model = make("awd_lstm", num_hidden_layers=1, embedding_size=64, weight_dropout=0.3)
        body = model.train().body
        assert isinstance(body, Recurrent)
        way = body.blocks[0].get_submodule("ways.0")
        raw = way.get_parameter("from_state.weight").detach()
        source, dropped, *biases = way.weights(0.3)
        assert source is way.get_parameter("from_input.weight")
        assert len(biases) == 2
        kept = dropped != 0
        share = float((~kept).float().mean())
        assert abs(share - 0.3) < 4 * math.sqrt(0.3 * 0.7 / raw.numel())
        assert_close(dropped[kept], raw[kept] / 0.7)
        assert way.eval().weights(0.3)[1] is way.get_parameter("from_state.weight")

    def test_dropped_weights_learn_nothing(self) -> None:
        model, batch = self.make(weight_dropout=0.5), make_batch()
        language_model_loss(logits_of(model, batch), batch).backward()
        for block in model.body.blocks:
            gradient = block.get_parameter("ways.0.from_state.weight").grad
            assert gradient is not None
            assert 0.3 < float((gradient == 0).float().mean()) < 0.7

    def test_activations_are_dropped_from_all_tokens_of_a_sequence(self) -> None:
        rows = torch.tensor([0, 1, 2, 0, 1, 0])
        dropped = LockedDropout(0.5).train()(torch.ones(6, 400), rows, 3)
        for row in range(3):
            own = dropped[rows == row]
            assert torch.equal(own, own[:1].expand_as(own))
        assert set(dropped.unique().tolist()) == {0.0, 2.0}
        assert not torch.equal(dropped[0], dropped[1])
        assert abs(float(dropped.mean()) - 1) < 0.15

    def test_words_are_dropped_wherever_they_occur(self) -> None:
        body = make("awd_lstm", word_dropout=0.4, input_dropout=0.0).train().body
        assert isinstance(body, Recurrent)
        ids = torch.arange(WORDS).repeat(3)
        order = TimeOrder.of(torch.tensor([WORDS * 3]), torch.device("cpu"))
        found = body.embeddings(ids, order).view(3, WORDS, -1)
        assert torch.equal(found[0], found[1])
        assert torch.equal(found[0], found[2])
        gone = (found[0] == 0).all(1)
        assert 0 < int(gone.sum()) < WORDS
        table = body.embeddings.tokens.weight.detach()
        assert_close(found[0][~gone], table[~gone] / 0.6)
