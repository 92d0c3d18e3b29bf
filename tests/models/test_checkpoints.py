"""Loading and saving models: damaged files, other labels, and what a file may not do."""

import errno
import json
import logging
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch

import graft
from full_disk import full_disk
from graft.errors import HubError, ModelError
from small import make_classifier, make_model, random_ids

LABELS = ("human", "location", "number")
Change = Callable[[dict[str, Any]], None]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A saved classifier, to be damaged."""
    make_classifier(LABELS).save_pretrained(tmp_path / "saved")
    return tmp_path / "saved"


def change_config(folder: Path, **changes: Any) -> None:
    """Changes settings; None takes one away."""
    path = folder / "config.json"
    config = {**json.loads(path.read_text()), **changes}
    path.write_text(json.dumps({key: v for key, v in config.items() if v is not None}))


def change_tensors(folder: Path, change: Callable[[dict[str, torch.Tensor]], None]) -> None:
    path = folder / "model.safetensors"
    tensors = safetensors.torch.load_file(path)
    change(tensors)
    safetensors.torch.save_file(tensors, path)


class TestDamagedWeights:
    @pytest.mark.parametrize("kept", [0, 5, 200, 5000])
    def test_truncated(self, folder: Path, kept: int) -> None:
        path = folder / "model.safetensors"
        path.write_bytes(path.read_bytes()[:kept])
        with pytest.raises(ModelError, match=r"model\.safetensors is truncated or damaged.*again"):
            graft.Model.from_pretrained(folder)

    def test_one_byte_short(self, folder: Path) -> None:
        path = folder / "model.safetensors"
        path.write_bytes(path.read_bytes()[:-1])
        with pytest.raises(ModelError, match=r"model\.safetensors is truncated"):
            graft.Model.from_pretrained(folder)

    @pytest.mark.parametrize("name", ["model.safetensors", "pytorch_model.bin"])
    def test_garbage(self, folder: Path, name: str) -> None:
        (folder / "model.safetensors").unlink()
        (folder / name).write_bytes(b"<html>Please log in</html>" * 100)
        with pytest.raises(ModelError, match=rf"{name}.*(again|safetensors)"):
            graft.Model.from_pretrained(folder)

    @pytest.mark.parametrize("kept", [0, 100, 20_000])
    def test_truncated_pickle(self, folder: Path, kept: int) -> None:
        tensors = safetensors.torch.load_file(folder / "model.safetensors")
        (folder / "model.safetensors").unlink()
        path = folder / "pytorch_model.bin"
        torch.save(tensors, path)
        path.write_bytes(path.read_bytes()[:kept])
        with pytest.raises(ModelError, match=r"pytorch_model\.bin"):
            graft.Model.from_pretrained(folder)

    def test_missing(self, folder: Path) -> None:
        (folder / "model.safetensors").unlink()
        with pytest.raises(ModelError, match=r"no weights: expected model\.safetensors, pytorch"):
            graft.Model.from_pretrained(folder)

    def test_tensors_of_the_body_are_missing(self, folder: Path) -> None:
        def drop(tensors: dict[str, torch.Tensor]) -> None:
            del tensors["bert.embeddings.word_embeddings.weight"]
            del tensors["bert.encoder.layer.1.attention.self.key.weight"]

        change_tensors(folder, drop)
        with pytest.raises(ModelError, match=r"model\.safetensors lacks 2 tensors") as told:
            graft.Model.from_pretrained(folder)
        assert "embeddings.word_embeddings.weight" in str(told.value)
        assert "encoder.layer.1.attention.self.key.weight" in str(told.value)

    def test_more_layers_than_there_are_weights(self, folder: Path) -> None:
        change_config(folder, num_hidden_layers=3)
        with pytest.raises(ModelError, match=r"lacks .* encoder\.layer\.2"):
            graft.Model.from_pretrained(folder)

    def test_another_shape(self, folder: Path) -> None:
        change_config(folder, vocab_size=120)
        with pytest.raises(
            ModelError, match=r"model\.safetensors: .*word_embeddings.* \[94, 32\].* \[120, 32\]"
        ):
            graft.Model.from_pretrained(folder)


class TestDamagedConfig:
    def test_missing(self, folder: Path) -> None:
        (folder / "config.json").unlink()
        with pytest.raises(ModelError, match=r"is not a model: it has no config\.json"):
            graft.Model.from_pretrained(folder)

    @pytest.mark.parametrize("content", [b"", b'{"model_type": ', b"\xff\xfe\x00", b"[]"])
    def test_not_a_json_object(self, folder: Path, content: bytes) -> None:
        (folder / "config.json").write_bytes(content)
        with pytest.raises(ModelError, match=r"config\.json (is not valid JSON|holds list)"):
            graft.Model.from_pretrained(folder)

    @pytest.mark.parametrize("kind", ["nonsense", None, ["bert"], 3])
    def test_an_architecture_we_do_not_have(self, folder: Path, kind: Any) -> None:
        change_config(folder, model_type=kind)
        with pytest.raises(
            ModelError, match=rf"of type {re.escape(repr(kind))}, .* It has: .*bert"
        ):
            graft.Model.from_pretrained(folder)

    @pytest.mark.parametrize(
        ("setting", "value"),
        [
            ("hidden_act", "swish2"),
            ("num_attention_heads", 5),
            ("position_embedding_type", "relative_key"),
            ("is_decoder", True),
            ("add_cross_attention", True),
        ],
    )
    def test_what_we_do_not_have_is_named(self, folder: Path, setting: str, value: Any) -> None:
        change_config(folder, **{setting: value})
        with pytest.raises(ModelError, match=setting):
            graft.Model.from_pretrained(folder)

    @pytest.mark.parametrize(
        ("setting", "value"),
        [
            ("hidden_size", "32"),
            ("num_attention_heads", 0),
            ("num_hidden_layers", -1),
            ("vocab_size", 1.5),
            ("layer_norm_eps", "small"),
            ("hidden_dropout_prob", 1.5),
            ("hidden_size", []),
            ("hidden_size", 10**30),
            ("vocab_size", 1e300),
            ("vocab_size", 10**400),
            ("num_hidden_layers", 2_000_000_000),
            ("architectures", 3),
            ("architectures", [["BertModel"]]),
            ("problem_type", "guesswork"),
            ("problem_type", []),
        ],
    )
    def test_a_value_that_cannot_be(self, folder: Path, setting: str, value: Any) -> None:
        change_config(folder, **{setting: value})
        with pytest.raises(ModelError, match=rf"config\.json.*{setting} is "):
            graft.Model.from_pretrained(folder)

    @pytest.mark.parametrize(
        "labels",
        [
            {"a": "b"},
            ["human"],
            {"0": "x", "2": "y"},
            {"0": "x", "2": "y", "three": "z"},
            {"00": "x", "1": "y", "2": "z"},
            {"0": None, "1": "y", "2": "z"},
            {"0": "x", "1": ["y"], "2": "z"},
        ],
    )
    def test_labels_that_are_no_table_of_numbers(self, folder: Path, labels: Any) -> None:
        change_config(folder, id2label=labels)
        with pytest.raises(ModelError, match=r"config\.json.*id2label"):
            graft.Model.from_pretrained(folder)

    def test_labels_of_one_name(self, folder: Path) -> None:
        change_config(folder, id2label={"0": "x", "1": "x", "2": "y"})
        with pytest.raises(ModelError, match=r"config\.json: Two labels have the name 'x'"):
            graft.Model.from_pretrained(folder)
        model = graft.Model.from_pretrained(folder, labels=["a", "b"])
        assert model.labels == ("a", "b")

    @pytest.mark.parametrize("count", ["3", -1, 0, 2.0, True, [3], 10**12])
    def test_a_number_of_labels_that_is_none(self, folder: Path, count: Any) -> None:
        change_config(folder, id2label=None, num_labels=count)
        with pytest.raises(ModelError, match=r"config\.json: num_labels is .*, not a whole number"):
            graft.Model.from_pretrained(folder)

    def test_a_number_of_labels_beside_their_names(self, folder: Path) -> None:
        """Names count, as for the ecosystem."""
        change_config(folder, num_labels=7)
        assert graft.Model.from_pretrained(folder).labels == LABELS


class TestUnknownSources:
    @pytest.mark.parametrize("source", ["no/such/folder", "/nowhere", "..", "what?"])
    def test_what_is_neither_folder_nor_id(self, source: str) -> None:
        with pytest.raises((HubError, ModelError), match=r"folder|config"):
            graft.Model.from_pretrained(source)

    def test_a_file(self, folder: Path) -> None:
        with pytest.raises(HubError, match="is a file; a folder or a repository id"):
            graft.Model.from_pretrained(folder / "config.json")


def logits_of(model: graft.Model) -> torch.Tensor:
    with torch.inference_mode():
        logits = model(graft.Batch.from_sequences(random_ids([5, 8]))).logits
    assert logits is not None
    return logits


class TestHeads:
    def load(self, folder: Path, labels: tuple[str, ...]) -> graft.Model:
        return graft.Model.from_pretrained(folder, task="text-classification", labels=labels)

    def test_another_number_of_labels_is_said_in_one_line(
        self, folder: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        saved = graft.Model.from_pretrained(folder)
        with caplog.at_level(logging.INFO):
            model = self.load(folder, ("yes", "no"))
        (line,) = caplog.messages
        assert line == (
            f"{folder}: its head answers 3 labels (human, location, number); yours answers "
            "2 labels (yes, no). The body is kept, a new head is made."
        )
        assert logits_of(model).shape == (2, 2)
        assert model.labels == ("yes", "no")
        kept = {name for name in model.state_dict() if not name.startswith("head.classify")}
        for name in kept:
            assert torch.equal(model.state_dict()[name], saved.state_dict()[name]), name
        assert float(model.get_parameter("head.classify.weight").detach().std()) > 0
        assert not model.get_parameter("head.classify.bias").any()

    def test_as_many_labels_of_other_names(
        self, folder: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        model = self.load(folder, ("good", "bad", "neither"))
        assert "a new head is made" in caplog.text
        assert model.report is not None
        assert set(model.report.made_anew) == {"head.classify.weight", "head.classify.bias"}

    def test_the_same_labels_in_another_order(
        self, folder: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        saved = graft.Model.from_pretrained(folder)
        model = self.load(folder, ("number", "human", "location"))
        assert model.labels == ("number", "human", "location")
        torch.testing.assert_close(logits_of(model), logits_of(saved)[:, [2, 0, 1]])
        assert caplog.messages == []

    def test_placeholders_get_the_names_given(
        self, folder: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        saved = graft.Model.from_pretrained(folder)
        change_config(folder, id2label={str(i): f"LABEL_{i}" for i in range(3)})
        model = self.load(folder, ("a", "b", "c"))
        assert model.labels == ("a", "b", "c")
        assert torch.equal(logits_of(model), logits_of(saved))
        assert caplog.messages == []

    def test_a_new_head_depends_on_the_seed_alone(self, tmp_path: Path) -> None:
        make_model().save_pretrained(tmp_path)

        def head(seed: int) -> torch.Tensor:
            torch.manual_seed(seed)
            return self.load(tmp_path, LABELS).get_parameter("head.classify.weight").detach()

        assert torch.equal(head(3), head(3))
        assert not torch.equal(head(3), head(4))

    def test_a_head_needs_labels(self, tmp_path: Path) -> None:
        make_model().save_pretrained(tmp_path)
        with pytest.raises(ModelError, match="needs the names of its labels"):
            graft.Model.from_pretrained(tmp_path, task="text-classification")

    def test_labels_need_a_head(self, tmp_path: Path) -> None:
        make_model().save_pretrained(tmp_path)
        with pytest.raises(ModelError, match="task="):
            graft.Model.from_pretrained(tmp_path, labels=LABELS)

    def test_two_labels_of_one_name(self, folder: Path) -> None:
        with pytest.raises(ModelError, match="yes"):
            self.load(folder, ("yes", "no", "yes"))

    def test_a_task_there_is_no_head_for(self, folder: Path) -> None:
        with pytest.raises(
            ModelError, match=r"bert have no head for juggling. They have: text-class"
        ):
            graft.Model.from_pretrained(folder, task="juggling", labels=LABELS)


class TestSaving:
    def test_what_is_saved_loads_the_same(self, tmp_path: Path) -> None:
        model = make_classifier(LABELS, several_labels=True, activation="relu")
        model.save_pretrained(tmp_path / "a")
        again = graft.Model.from_pretrained(tmp_path / "a")
        assert again.config.labels == LABELS
        assert again.config.several_labels
        assert torch.equal(logits_of(again), logits_of(model))
        again.save_pretrained(tmp_path / "b")
        first, second = (tmp_path / "a", tmp_path / "b")
        weights = "model.safetensors"
        assert (first / weights).read_bytes() == (second / weights).read_bytes()
        settings = [json.loads((f / "config.json").read_text()) for f in (first, second)]
        assert settings[0].items() <= settings[1].items()

    def test_weights_can_be_trained_after_loading(self, folder: Path) -> None:
        model = graft.Model.from_pretrained(folder)
        assert not model.training
        assert all(parameter.requires_grad for parameter in model.parameters())
        logits = model(graft.Batch.from_sequences(random_ids([4]))).logits
        assert logits is not None
        logits.sum().backward()

    def test_a_full_disk_leaves_nothing(self, tmp_path: Path) -> None:
        model = make_classifier(LABELS)
        with full_disk(20_000), pytest.raises(OSError, match="File too large") as failed:
            model.save_pretrained(tmp_path / "saved")
        assert failed.value.errno == errno.EFBIG
        assert str(failed.value.filename).endswith("model.safetensors")
        assert list(tmp_path.iterdir()) == []
