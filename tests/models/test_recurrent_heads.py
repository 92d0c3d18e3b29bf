"""The heads of recurrent models, and their files."""

from collections import OrderedDict
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch
from recurrents import (
    LABELS,
    LENGTHS,
    TASKS,
    WORDS,
    assert_close,
    hidden_of,
    logits_of,
    make,
    make_batch,
    make_config,
    saved,
)
from torch import nn

import graft
from graft.errors import ModelError
from graft.models.recurrent_config import RecurrentConfig
from graft.models.recurrent_heads import BatchNorm, TagHead


class TestHeads:
    def test_classifier_reads_ends_largest_and_mean(self) -> None:
        model, batch = make("bilstm", "text-classification"), make_batch()
        rows = []
        for states in hidden_of(model, batch).split(LENGTHS):
            ends = torch.cat([states[-1, :10], states[0, 10:]])
            rows.append(torch.cat([ends, states.amax(0), states.mean(0)]))
        assert model.head is not None
        wanted = model.head.get_submodule("classify")(torch.stack(rows))
        assert_close(logits_of(model, batch), wanted)

    def test_awd_classifier_is_two_layers_with_batch_norms(self, tmp_path: Path) -> None:
        model, batch = make("awd_lstm", "text-classification", answer_size=6), make_batch()
        plain = nn.Sequential(
            OrderedDict(
                {
                    "0": nn.Sequential(
                        nn.BatchNorm1d(36), nn.Dropout(), nn.Linear(36, 6, bias=False), nn.ReLU()
                    ),
                    "1": nn.Sequential(
                        nn.BatchNorm1d(6), nn.Dropout(), nn.Linear(6, 3, bias=False)
                    ),
                }
            )
        )
        tensors = saved(model, tmp_path)
        head = {
            name.removeprefix("1.layers."): t for name, t in tensors.items() if "layers" in name
        }
        plain.load_state_dict(head, strict=False)
        parts = [
            torch.cat([states[-1], states.amax(0), states.mean(0)])
            for states in hidden_of(model, batch).split(LENGTHS)
        ]
        assert_close(logits_of(model, batch), plain.eval()(torch.stack(parts)))

    def test_batch_norm_learns_as_pytorch_does(self) -> None:
        ours, theirs = BatchNorm(4).train(), nn.BatchNorm1d(4).train()
        for seed in range(3):
            states = torch.randn(8, 4, generator=torch.Generator().manual_seed(seed))
            assert_close(ours(states), theirs(states))
        assert_close(ours.mean, theirs.running_mean)
        assert_close(ours.variance, theirs.running_var)

    def test_batch_norm_of_one_text_goes_by_what_it_saw(self) -> None:
        norm = BatchNorm(4)
        norm.train()(torch.randn(8, 4, generator=torch.Generator().manual_seed(0)))
        alone = torch.ones(1, 4)
        found = norm.train()(alone)
        assert_close(found, norm.eval()(alone))
        assert bool(torch.isfinite(found).all())

    def test_language_model_is_tied_to_its_embeddings(self) -> None:
        model, batch = make("awd_lstm", "text-generation"), make_batch()
        bias = model.head.get_parameter("bias")
        wanted = hidden_of(model, batch) @ model.body.embeddings.tokens.weight.T + bias
        assert_close(logits_of(model, batch), wanted)
        shapes = [tuple(p.shape) for p in model.parameters() if len(p) == WORDS]
        assert sorted(shapes) == [(WORDS,), (WORDS, 12)]

    def test_tagger_without_a_field_labels_each_token_by_itself(self) -> None:
        model, batch = make("bilstm", "token-classification"), make_batch()
        head, logits = model.head, logits_of(model, batch)
        assert isinstance(head, TagHead)
        assert head.decode(logits, batch).tolist() == logits.argmax(1).tolist()
        tags = torch.arange(22) % 3
        each = nn.functional.cross_entropy(logits, tags, reduction="none").split(LENGTHS)
        assert_close(head.loss(logits, tags, batch), torch.stack([part.sum() for part in each]))

    @pytest.mark.parametrize("crf", [True, False])
    def test_tokens_without_a_label_are_passed_over(self, crf: bool) -> None:
        model = make("bilstm", "token-classification", crf=crf)
        batch, head = make_batch(), model.head
        assert isinstance(head, TagHead)
        # The second text has no label at all, the last token of the first one none.
        tags = torch.full((22,), -100)
        chosen = torch.tensor([0, 1, 3, 6, 7, 8, 9, 10, 11, 15, 16, 20])
        tags[chosen] = torch.arange(12) % 3
        logits = logits_of(model, batch)
        some = graft.Batch(batch.ids[chosen], torch.tensor([3, 6, 2, 1]))
        losses = head.loss(logits, tags, batch)
        alone = head.loss(logits[chosen], tags[chosen], some)
        assert losses[1] == 0
        assert_close(losses[[0, 2, 3, 4]], alone)
        answers = head.decode(logits, batch, tags)
        assert answers[tags == -100].unique().tolist() == [-100]
        assert answers[chosen].tolist() == head.decode(logits[chosen], some).tolist()

    @pytest.mark.parametrize("crf", [True, False])
    @pytest.mark.parametrize(
        ("dtype", "error"), [(torch.bfloat16, 0.2), (torch.float16, 0.03), (torch.float64, 1e-5)]
    )
    def test_in_other_formats(self, dtype: torch.dtype, error: float, crf: bool) -> None:
        model, batch = make("bilstm", "token-classification", crf=crf), make_batch()
        tags, head = torch.arange(22) % 3, model.head
        assert isinstance(head, TagHead)
        expected = head.loss(model(batch).logits, tags, batch)
        losses = head.loss(model.to(dtype)(batch).logits, tags, batch)
        assert losses.dtype == (torch.float64 if dtype == torch.float64 else torch.float32)
        torch.testing.assert_close(losses.float(), expected, atol=error, rtol=0)
        losses.sum().backward()
        assert all(weight.grad is not None for weight in head.parameters())

    def test_a_batch_without_any_label(self) -> None:
        model, batch = make("bilstm", "token-classification", crf=True), make_batch()
        assert isinstance(model.head, TagHead)
        loss = model.head.loss(logits_of(model, batch), torch.full((22,), -100), batch)
        loss.sum().backward()
        assert loss.tolist() == [0.0] * 5

    def test_a_task_without_a_head(self) -> None:
        with pytest.raises(ModelError, match="fill-mask"):
            graft.Model(make_config("bilstm"), "fill-mask")


class TestSizes:
    """Recurrent models are made larger and smaller as all others are."""

    @pytest.mark.parametrize(("family", "task"), TASKS)
    def test_more_words_and_longer_texts(
        self, tmp_path: Path, family: str, task: str | None
    ) -> None:
        model, batch = make(family, task), make_batch()
        wanted = hidden_of(model, batch).detach()
        model.resize_vocabulary(WORDS + 4)
        model.extend_positions(50_000)
        assert_close(hidden_of(model, batch), wanted)
        new = graft.Batch.from_sequences([[WORDS + 3, 1]])
        model.save_pretrained(tmp_path)
        again = graft.Model.from_pretrained(tmp_path)
        assert (again.config.vocab_size, again.config.max_positions) == (WORDS + 4, 50_000)
        assert_close(hidden_of(again, new), hidden_of(model, new))

    def test_other_labels(self) -> None:
        model, batch = make("bilstm", "token-classification", crf=True), make_batch()
        before = logits_of(model, batch)
        assert isinstance(model.head, TagHead)
        transitions = model.head.get_parameter("crf.transitions").detach().clone()
        model.resize_labels(("new", LABELS[2], LABELS[0]))
        assert_close(logits_of(model, batch)[:, 1:], before[:, [2, 0]])
        kept = model.head.get_parameter("crf.transitions")[1:, 1:]
        assert_close(kept, transitions[[2, 0]][:, [2, 0]])


class TestFiles:
    @pytest.mark.parametrize(("family", "task"), TASKS)
    def test_save_and_load(self, tmp_path: Path, family: str, task: str | None) -> None:
        settings = {"crf": True, "label_scheme": "bio"} if family == "bilstm" else {}
        model, batch = make(family, task, **settings), make_batch()
        model.save_pretrained(tmp_path)
        again = graft.Model.from_pretrained(tmp_path)
        assert (again.config, again.task, again.labels) == (model.config, task, model.labels)
        assert again.report is not None
        assert not again.report.made_anew
        assert not again.report.left_over
        for name, tensor in model.state_dict().items():
            assert torch.equal(again.state_dict()[name], tensor), name
        assert_close(hidden_of(again, batch), hidden_of(model, batch))

    @pytest.mark.parametrize(("family", "task"), [TASKS[0], TASKS[1], TASKS[3]])
    def test_labels_in_another_order(self, tmp_path: Path, family: str, task: str) -> None:
        settings = {"crf": True} if family == "bilstm" else {}
        model, batch = make(family, task, **settings), make_batch()
        model.save_pretrained(tmp_path)
        turned = graft.Model.from_pretrained(tmp_path, labels=(LABELS[2], *LABELS[:2]))
        assert_close(logits_of(turned, batch), logits_of(model, batch)[:, [2, 0, 1]])
        if isinstance(model.head, TagHead) and isinstance(turned.head, TagHead):
            wanted = [LABELS[i] for i in model.head.decode(logits_of(model, batch), batch)]
            found = [turned.labels[i] for i in turned.head.decode(logits_of(turned, batch), batch)]
            assert found == wanted

    def test_other_labels_get_a_new_head(self, tmp_path: Path) -> None:
        make("bilstm", "token-classification", crf=True).save_pretrained(tmp_path)
        other = graft.Model.from_pretrained(tmp_path, labels=("yes", "no", "maybe"))
        assert other.report is not None
        assert other.head is not None
        assert len(other.report.made_anew) == 5
        assert not other.head.get_parameter("crf.transitions").any()

    def test_weights_of_plain_pytorch(self, tmp_path: Path) -> None:
        """What anyone's own module, with these names, was saved as."""
        make("bilstm", num_hidden_layers=2).save_pretrained(tmp_path)
        (tmp_path / "model.safetensors").unlink()
        plain = nn.ModuleDict(
            {
                "embedding": nn.Embedding(WORDS, 12),
                "lstm": nn.LSTM(12, 10, 2, bidirectional=True, batch_first=True),
            }
        )
        torch.save(plain.state_dict(), tmp_path / "pytorch_model.bin")
        model, batch = graft.Model.from_pretrained(tmp_path), make_batch()
        states = [plain["lstm"](plain["embedding"](ids))[0] for ids in batch.ids.split(LENGTHS)]
        assert_close(hidden_of(model, batch), torch.cat(states))

    def test_a_language_model_becomes_a_classifier(self, tmp_path: Path) -> None:
        model, batch = make("awd_lstm", "text-generation"), make_batch()
        model.save_pretrained(tmp_path)
        task = "text-classification"
        classifier = graft.Model.from_pretrained(tmp_path, task=task, labels=LABELS)
        assert_close(hidden_of(classifier, batch), hidden_of(model, batch))
        assert classifier.report is not None
        assert all(name.startswith("head.") for name in classifier.report.made_anew)
        norm = classifier.head.get_submodule("norm")
        assert isinstance(norm, BatchNorm)
        assert norm.variance.tolist() == [1.0] * 36
        assert norm.mean.tolist() == [0.0] * 36
        classifier.save_pretrained(tmp_path / "classifier")
        again = graft.Model.from_pretrained(tmp_path / "classifier")
        assert_close(logits_of(again, batch), logits_of(classifier, batch))

    def test_a_file_with_what_training_added(self, tmp_path: Path) -> None:
        """fastai keeps the dropped weights and a second name of the table as well."""
        model = make("awd_lstm", "text-generation")
        tensors = saved(model, tmp_path)
        copies = {
            "0.encoder_dp.emb.weight": tensors["0.encoder.weight"].clone(),
            "1.decoder.weight": tensors["0.encoder.weight"].clone(),
            "0.rnns.0.module.weight_hh_l0": torch.zeros(40, 12),
        }
        safetensors.torch.save_file({**tensors, **copies}, tmp_path / "model.safetensors")
        again = graft.Model.from_pretrained(tmp_path)
        assert again.report is not None
        assert not again.report.left_over
        assert again.config.vocabulary.tied
        assert_close(logits_of(again, make_batch()), logits_of(model, make_batch()))

    def test_a_language_model_that_is_not_tied(self, tmp_path: Path) -> None:
        model, batch = make("awd_lstm", "text-generation", tie_word_embeddings=False), make_batch()
        assert "1.decoder.weight" in saved(model, tmp_path)
        again = graft.Model.from_pretrained(tmp_path)
        assert_close(logits_of(again, batch), logits_of(model, batch))

    def test_a_file_whose_head_is_not_tied_though_it_says_so(self, tmp_path: Path) -> None:
        model, batch = make("awd_lstm", "text-generation"), make_batch()
        tensors = saved(model, tmp_path)
        own = {"1.decoder.weight": tensors["0.encoder.weight"].flip(0).contiguous()}
        safetensors.torch.save_file({**tensors, **own}, tmp_path / "model.safetensors")
        again = graft.Model.from_pretrained(tmp_path)
        assert not again.config.vocabulary.tied
        assert isinstance(again.config, RecurrentConfig)
        assert again.head is not None
        bias = again.head.get_parameter("bias")
        wanted = hidden_of(model, batch) @ own["1.decoder.weight"].T + bias
        assert_close(logits_of(again, batch), wanted)

    @pytest.mark.parametrize(
        ("family", "setting", "value", "named"),
        [
            ("awd_lstm", "bidirectional", True, "bidirectional True"),
            ("awd_lstm", "weight_dropout", 1.0, "weight_dropout is 1.0"),
            ("bilstm", "hidden_size", 0, "hidden_size is 0"),
            ("bilstm", "crf", "yes", "crf is 'yes'"),
            ("bilstm", "label_scheme", "iob", "label_scheme 'iob'"),
        ],
    )
    def test_settings_that_make_no_sense(
        self, family: str, setting: str, value: Any, named: str
    ) -> None:
        with pytest.raises(ModelError, match=named):
            make_config(family, model_type=family, **{setting: value})
