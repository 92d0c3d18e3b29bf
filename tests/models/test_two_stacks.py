"""Models of two stacks: what their decoders read, and what training does to them."""

from dataclasses import replace
from typing import Any

import pytest
import torch

import graft
from graft.errors import ModelError
from graft.models.config import Config, RelativeBias
from graft.models.families import FAMILIES
from graft.models.losses import IGNORED, writing_loss
from graft.models.model import Model
from graft.models.relative import RelativePositions
from small import CONFIG, random_ids

DECODER = replace(CONFIG, causal=True, cross=True, segments=0, layers=3, family="bart")
PAIR = replace(DECODER, causal=False, cross=False, layers=2, decoder=DECODER)


def make_pair(**changes: Any) -> Model:
    decoder = replace(DECODER, **changes)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return Model(replace(PAIR, decoder=decoder, **changes), "text2text-generation").eval()


class TestWhatDecodersRead:
    def test_targets_a_token_to_the_right(self) -> None:
        batch = graft.Batch.from_pairs([[5, 6], [7]], [[8, 9, 10], [11]], start_id=1)
        assert batch.ids.tolist() == [5, 6, 7]
        decoder = batch.decoder
        assert decoder is not None
        assert decoder.ids.tolist() == [1, 8, 9, 1]
        assert decoder.lengths.tolist() == [3, 1]
        assert decoder.targets is not None
        assert decoder.targets.tolist() == [8, 9, 10, 11]

    def test_without_a_start_the_last_token_comes_round(self) -> None:
        shifted = graft.Batch.from_sequences([[5, 6, 7], [8]]).shifted()
        assert shifted.ids.tolist() == [7, 5, 6, 8]

    def test_as_many_targets_as_sources(self) -> None:
        with pytest.raises(ValueError, match="2 sources, but 1 targets"):
            graft.Batch.from_pairs([[5], [6]], [[7]])

    def test_as_many_sequences_as_the_encoder(self) -> None:
        batch = replace(
            graft.Batch.from_sequences([[5], [6]]), decoder=graft.Batch.from_sequences([[7]])
        )
        with pytest.raises(ValueError, match="2 sequences, but 1 for its decoder"):
            make_pair()(batch)

    @torch.inference_mode()
    def test_the_sequences_themselves_where_nothing_is_given(self) -> None:
        model = make_pair(special={"decoder_start_token_id": 2})
        sequences = random_ids([4, 1, 7])
        found = model(graft.Batch.from_sequences(sequences)).logits
        expected = model(graft.Batch.from_pairs(sequences, sequences, start_id=2)).logits
        assert torch.equal(found, expected)

    @torch.inference_mode()
    def test_states_and_weights_of_each_stack(self) -> None:
        batch = graft.Batch.from_pairs(random_ids([4, 9]), random_ids([3, 2]), start_id=2)
        output = make_pair()(batch, hidden=True, hidden_states=True, attentions=True)
        assert output.hidden.shape == (5, 32)
        assert [tuple(state.shape) for state in output.encoder_hidden_states] == [(13, 32)] * 3
        assert [tuple(state.shape) for state in output.hidden_states] == [(5, 32)] * 4
        shapes = [[tuple(row.shape) for row in layer] for layer in output.cross_attentions]
        assert shapes == [[(4, 3, 4), (4, 2, 9)]] * 3
        assert len(output.encoder_attentions) == 2
        assert len(output.attentions) == 3


class TestTraining:
    def test_the_loss_is_the_mean_over_what_is_to_be_written(self) -> None:
        batch = graft.Batch.from_pairs([[5], [6]], [[1, 0], [2]], start_id=0)
        assert batch.decoder is not None
        logits = torch.randn(3, 4, generator=torch.Generator().manual_seed(0))
        chosen = logits.log_softmax(-1)[range(3), [1, 0, 2]]
        torch.testing.assert_close(writing_loss(logits, batch), -chosen.mean())
        targets = torch.tensor([1, IGNORED, 2])
        partly = replace(batch, decoder=replace(batch.decoder, targets=targets))
        torch.testing.assert_close(writing_loss(logits, partly), -chosen[[0, 2]].mean())
        with pytest.raises(ValueError, match="no targets for its decoder"):
            writing_loss(logits, graft.Batch.from_sequences([[5], [6]]))

    def test_a_frozen_token_gets_no_gradient_from_being_read(self) -> None:
        model = make_pair(frozen_token=2, vocabulary=replace(CONFIG.vocabulary, tied=False))
        batch = graft.Batch.from_pairs([[5, 2, 6]], [[5, 6]], start_id=2)
        writing_loss(model(batch).logits, batch).backward()
        gradient = model.body.embeddings.tokens.weight.grad
        assert gradient is not None
        assert gradient[2].abs().max() == 0
        assert gradient[5].abs().max() > 0

    def test_a_fixed_bias_counts_and_stays(self) -> None:
        fixed = replace(CONFIG.vocabulary, bias=True, fixed_bias=True)
        model = make_pair(vocabulary=fixed)
        batch = graft.Batch.from_pairs([[5, 6]], [[5, 6]], start_id=2)
        before = model(batch).logits
        with torch.no_grad():
            model.head.bias[7] = 3.0
        after = model(batch).logits
        torch.testing.assert_close(after[:, 7], before[:, 7] + 3)
        after.sum().backward()
        assert model.head.bias.grad is None

    @pytest.mark.parametrize("share", [0.0, 0.5, 0.9])
    def test_blocks_left_out(self, share: float) -> None:
        """In training alone, and about as many as asked for."""
        model = make_pair(layer_dropout=share)
        runs: list[int] = []
        for block in model.body.blocks:
            block.register_forward_hook(lambda *_: runs.append(1))
        batch = graft.Batch.from_pairs([[5, 6]], [[5, 6]], start_id=2)
        model(batch)
        assert len(runs) == 5
        runs.clear()
        model.train()
        torch.manual_seed(0)
        for _ in range(40):
            model(batch)
        assert abs(len(runs) / 200 - (1 - share)) < 0.1

    def test_the_last_states_are_dropped_from(self) -> None:
        model = make_pair(dropout=0.0, attention_dropout=0.0, final_dropout=0.5).train()
        batch = graft.Batch.from_pairs([[5, 6]], [[5, 6, 7, 8]], start_id=2)
        hidden = model(batch, hidden=True).hidden
        assert 0.3 < float((hidden == 0).float().mean()) < 0.7


class TestRelativePositions:
    @pytest.fixture(params=[True, False], ids=["both ways", "one way"])
    def positions(self, request: pytest.FixtureRequest) -> RelativePositions:
        shape = RelativeBias(buckets=8, max_distance=16, both_ways=request.param)
        return RelativePositions(replace(CONFIG, relative=shape))

    def test_distances_in_any_arrangement_have_one_bias(self, positions: RelativePositions) -> None:
        distances = torch.arange(-40, 41)[None, None]
        row = positions.bias()(torch.zeros(1), torch.zeros(0), distances)[0, :, 0]
        square = torch.arange(9) - torch.arange(9)[:, None]
        found = positions.bias()(torch.zeros(1), torch.zeros(0), square[None])[0]
        assert torch.equal(found, row[:, square + 40])

    def test_far_distances_share_the_last_bucket(self, positions: RelativePositions) -> None:
        bias = positions.bias()(torch.zeros(1), torch.zeros(0), torch.tensor([[[-16, -17, -900]]]))
        assert torch.equal(bias[..., 0], bias[..., 1])
        assert torch.equal(bias[..., 0], bias[..., 2])


class TestSettings:
    @pytest.mark.parametrize(
        ("family", "settings", "message"),
        [
            ("bart", {"is_decoder": True}, "is_decoder True of bart is not supported"),
            ("bart", {"is_encoder_decoder": False}, "is_encoder_decoder False of bart is not"),
            ("mbart", {"decoder_attention_heads": 7}, "d_model 1024 is not a multiple of decoder_"),
            ("marian", {"pad_token_id": 58101}, "pad_token_id is 58101, but there are 58101"),
            ("pegasus", {"activation_function": "sine"}, "'sine' is not one of"),
            ("t5", {"is_decoder": True}, "is_decoder True of t5 is not supported"),
            ("t5", {"feed_forward_proj": "gated-sine"}, "feed_forward_proj 'gated-sine' is not"),
            ("mt5", {"feed_forward_proj": "half-gelu"}, "feed_forward_proj 'half-gelu' is not"),
            ("t5", {"relative_attention_num_buckets": 3}, "whole number of 4 or more"),
            ("t5", {"relative_attention_max_distance": 16}, "whole number of 17 or more"),
            ("t5", {"scale_decoder_outputs": 1}, "scale_decoder_outputs is 1, neither true nor"),
        ],
    )
    def test_what_makes_no_sense(self, family: str, settings: dict[str, Any], message: str) -> None:
        with pytest.raises(ModelError, match=message):
            FAMILIES[family].read_config({"model_type": family, **settings})

    @pytest.mark.parametrize("family", ["bart", "marian", "mbart", "mt5", "pegasus", "t5"])
    def test_settings_survive(self, family: str) -> None:
        read, write = FAMILIES[family].read_config, FAMILIES[family].write_config
        config: Config = read({"model_type": family, "task_specific_params": {"a": 1}})
        assert read({"model_type": family, **write(config)}) == config

    def test_a_task_that_a_family_has_no_head_for(self) -> None:
        family = FAMILIES["t5"]
        config = family.read_config({"model_type": "t5"})
        with pytest.raises(
            ModelError, match=r"type t5 have no head for fill-mask\. They have: text2"
        ):
            family.architecture("fill-mask", config)
        alone = replace(config, decoder=None)
        with pytest.raises(ModelError, match="whose encoder is alone have no head for text-class"):
            family.architecture("text-classification", alone)
