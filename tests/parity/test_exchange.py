"""Files go both ways: what one side saves, the other loads and answers the same."""

import json
from pathlib import Path

import pytest
import safetensors.torch
import torch
from tiny_bert import make_oracle
from torch import Tensor
from transformers import AutoModel, AutoModelForSequenceClassification, AutoTokenizer

import graft
from small import make_classifier, make_model, random_ids, save_model

LABELS = ("description", "human being", "location")
SEQUENCES = random_ids([7, 7, 7])


@torch.inference_mode()
def logits_of(model: graft.Model) -> Tensor:
    found = model(graft.Batch.from_sequences(SEQUENCES)).logits
    assert found is not None
    return found


class TestSavedHere:
    @pytest.mark.parametrize("several", [False, True])
    @torch.inference_mode()
    def test_a_classifier(self, tmp_path: Path, several: bool) -> None:
        model = make_classifier(LABELS, several_labels=several)
        model.save_pretrained(tmp_path)
        theirs, report = AutoModelForSequenceClassification.from_pretrained(
            tmp_path, output_loading_info=True
        )
        assert not any(report[kind] for kind in ("missing_keys", "unexpected_keys"))
        torch.testing.assert_close(
            theirs(torch.tensor(SEQUENCES)).logits, logits_of(model), atol=1e-5, rtol=0
        )
        assert theirs.config.id2label == dict(enumerate(LABELS))
        assert theirs.config.label2id == {label: i for i, label in enumerate(LABELS)}
        kind = "multi_label" if several else "single_label"
        assert theirs.config.problem_type == f"{kind}_classification"
        assert theirs.config.num_labels == 3

    @torch.inference_mode()
    def test_a_body(self, tmp_path: Path) -> None:
        model = make_model(activation="gelu_tanh", heads=2)
        model.save_pretrained(tmp_path)
        theirs = AutoModel.from_pretrained(tmp_path)
        expected = model(graft.Batch.from_sequences(SEQUENCES)).hidden
        found = theirs(torch.tensor(SEQUENCES)).last_hidden_state.flatten(0, 1)
        torch.testing.assert_close(found, expected, atol=1e-5, rtol=0)

    def test_the_tokenizer(self, tmp_path: Path) -> None:
        save_model(tmp_path / "base", make_model())
        ours = graft.Tokenizer.from_pretrained(tmp_path / "base")
        ours.save_pretrained(tmp_path / "saved")
        theirs = AutoTokenizer.from_pretrained(tmp_path / "saved")
        texts = ["Rain, sun?", "unknowable ÄÖ \u4f60\u597d", "", "we   saw\tthe ball!"]
        pairs = ["a ball", "snow", "run", ""]
        assert [theirs(text)["input_ids"] for text in texts] == [ours(text).ids for text in texts]
        both = theirs(texts, pairs)
        batch = ours.encode_batch(texts, pairs)
        assert both["input_ids"] == [row.tolist() for row in batch]
        assert [t for row in both["token_type_ids"] for t in row] == batch.type_ids.tolist()
        assert theirs.model_max_length == 64

    def test_what_the_files_said_beyond_the_shape_is_kept(self, tmp_path: Path) -> None:
        oracle = make_oracle(num_labels=2, pad_token_id=3, classifier_dropout=0.25)
        oracle.save_pretrained(tmp_path / "theirs")
        graft.Model.from_pretrained(tmp_path / "theirs").save_pretrained(tmp_path / "ours")
        again = AutoModelForSequenceClassification.from_pretrained(tmp_path / "ours").config
        assert (again.pad_token_id, again.classifier_dropout) == (3, 0.25)


class TestSavedThere:
    def test_a_pickled_state_dict(self, tmp_path: Path) -> None:
        oracle = make_oracle(num_labels=3)
        oracle.save_pretrained(tmp_path)
        expected = logits_of(graft.Model.from_pretrained(tmp_path))
        (tmp_path / "model.safetensors").unlink()
        torch.save(oracle.state_dict(), tmp_path / "pytorch_model.bin")
        assert torch.equal(logits_of(graft.Model.from_pretrained(tmp_path)), expected)

    def test_a_pickle_of_before_the_zip_format(self, tmp_path: Path) -> None:
        oracle = make_oracle(num_labels=3)
        oracle.save_pretrained(tmp_path)
        expected = logits_of(graft.Model.from_pretrained(tmp_path))
        (tmp_path / "model.safetensors").unlink()
        path = tmp_path / "pytorch_model.bin"
        torch.save(oracle.state_dict(), path, _use_new_zipfile_serialization=False)
        assert torch.equal(logits_of(graft.Model.from_pretrained(tmp_path)), expected)

    def test_the_names_of_old_checkpoints(self, tmp_path: Path) -> None:
        """The first BERTs call weight and bias of a layer norm gamma and beta."""
        oracle = make_oracle(num_labels=3)
        oracle.save_pretrained(tmp_path)
        expected = logits_of(graft.Model.from_pretrained(tmp_path))
        old = {
            name.replace("LayerNorm.weight", "LayerNorm.gamma").replace(
                "LayerNorm.bias", "LayerNorm.beta"
            ): tensor.clone()
            for name, tensor in oracle.state_dict().items()
        }
        assert sum(name.endswith("gamma") for name in old) == 5
        safetensors.torch.save_file(old, tmp_path / "model.safetensors")
        assert torch.equal(logits_of(graft.Model.from_pretrained(tmp_path)), expected)

    def test_weights_in_half_precision(self, tmp_path: Path) -> None:
        oracle = make_oracle(num_labels=3).half()
        oracle.save_pretrained(tmp_path)
        model = graft.Model.from_pretrained(tmp_path)
        assert {p.dtype for p in model.parameters()} == {torch.float32}
        with torch.inference_mode():
            expected = oracle.float()(torch.tensor(SEQUENCES)).logits
        torch.testing.assert_close(logits_of(model), expected, atol=1e-5, rtol=0)

    def test_a_body_gets_a_head(self, tmp_path: Path) -> None:
        """The body keeps its weights, and its pooler becomes the first layer of the head."""
        oracle = make_oracle()
        oracle.save_pretrained(tmp_path)
        model = graft.Model.from_pretrained(tmp_path, task="text-classification", labels=LABELS)
        assert model.report is not None
        assert set(model.report.made_anew) == {"head.classify.weight", "head.classify.bias"}
        assert torch.equal(model.get_parameter("head.pool.weight"), oracle.pooler.dense.weight)
        assert logits_of(model).shape == (3, 3)

    def test_a_body_without_a_pooler(self, tmp_path: Path) -> None:
        oracle = make_oracle()
        oracle.pooler = None
        oracle.save_pretrained(tmp_path)
        model = graft.Model.from_pretrained(tmp_path, task="text-classification", labels=LABELS)
        assert model.report is not None
        assert {name.split(".")[1] for name in model.report.made_anew} == {"pool", "classify"}

    def test_names_and_kind_of_the_answers(self, tmp_path: Path) -> None:
        named = dict(enumerate(LABELS))
        make_oracle(id2label=named, problem_type="multi_label_classification").save_pretrained(
            tmp_path
        )
        model = graft.Model.from_pretrained(tmp_path)
        assert model.labels == LABELS
        assert model.config.several_labels

    def test_more_than_ten_labels_keep_their_order(self, tmp_path: Path) -> None:
        """JSON's keys are strings, and "10" comes before "2"."""
        named = {index: f"label {index}" for index in range(12)}
        make_oracle(id2label=named).save_pretrained(tmp_path)
        config = json.loads((tmp_path / "config.json").read_text())
        config["id2label"] = dict(sorted(config["id2label"].items()))
        (tmp_path / "config.json").write_text(json.dumps(config))
        assert graft.Model.from_pretrained(tmp_path).labels == tuple(named.values())


@pytest.mark.minilm
@torch.inference_mode()
def test_a_real_model_there_and_back(minilm: Path, tmp_path: Path) -> None:
    model = graft.Model.from_pretrained(minilm, task="text-classification", labels=LABELS)
    tokenizer = graft.Tokenizer.from_pretrained(minilm)
    model.save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    texts = ["Who wrote Hamlet?", "How far is the moon, in kilometres, at its nearest?"]
    theirs = AutoModelForSequenceClassification.from_pretrained(tmp_path)
    read = AutoTokenizer.from_pretrained(tmp_path)(texts, padding=True, return_tensors="pt")
    batch = graft.Batch.from_sequences([row.tolist() for row in tokenizer.encode_batch(texts)])
    torch.testing.assert_close(theirs(**read).logits, model(batch).logits, atol=1e-4, rtol=0)


@pytest.mark.minilm
def test_a_real_tokenizer(minilm: Path) -> None:
    theirs = AutoTokenizer.from_pretrained(minilm)
    ours = graft.Tokenizer.from_pretrained(minilm)
    texts = [
        "Who wrote Hamlet?",
        "naïve café, TOKYO (東京) — 3.14%",
        "a" * 120,
        "emoji \U0001f642 and\u200bzero width",
        " ",
    ]
    assert [row.tolist() for row in ours.encode_batch(texts)] == theirs(texts)["input_ids"]
    long = " ".join(["word"] * 900)
    cut = ours.encode_batch([long], [long], max_length=512)
    expected = theirs(long, long, truncation=True, max_length=512)
    assert cut[0].tolist() == expected["input_ids"]
    assert cut.type_ids.tolist() == expected["token_type_ids"]
