"""Files of weights: shards, other formats, number formats, and what is told of damaged ones."""

import json
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

import graft
from graft.errors import ModelError
from small import make_classifier, make_model, random_ids

LABELS = ("human", "location", "number")
WEIGHTS, INDEX = "model.safetensors", "model.safetensors.index.json"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A saved classifier."""
    make_classifier(LABELS).save_pretrained(tmp_path / "saved")
    return tmp_path / "saved"


@pytest.fixture
def shards(tmp_path: Path) -> Path:
    """The same in several files."""
    make_classifier(LABELS).save_pretrained(tmp_path / "shards", max_shard_size="20KB")
    return tmp_path / "shards"


def change_tensors(path: Path, change: Callable[[dict[str, Tensor]], Any]) -> None:
    tensors = load_file(path)
    change(tensors)
    save_file(tensors, path)


def change_json(path: Path, **changes: Any) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def assert_same(one: graft.Model, other: graft.Model) -> None:
    weights, others = one.state_dict(), other.state_dict()
    assert weights.keys() == others.keys()
    assert all(torch.equal(weights[name], others[name]) for name in weights)


class TestShards:
    def test_they_load_as_one_file_does(self, folder: Path, shards: Path) -> None:
        files = sorted(path.name for path in shards.glob("*.safetensors"))
        assert len(files) > 2
        assert files[0] == f"model-00001-of-{len(files):05}.safetensors"
        assert all((shards / name).stat().st_size < 30_000 for name in files)
        assert_same(graft.Model.from_pretrained(shards), graft.Model.from_pretrained(folder))

    def test_the_index_names_all_tensors(self, folder: Path, shards: Path) -> None:
        index = json.loads((shards / INDEX).read_text())
        whole = load_file(folder / WEIGHTS)
        assert index["weight_map"].keys() == whole.keys()
        assert index["metadata"]["total_size"] == sum(t.nbytes for t in whole.values())

    def test_of_pickles(self, folder: Path) -> None:
        expected = graft.Model.from_pretrained(folder)
        state = load_file(folder / WEIGHTS)
        names = sorted(state)
        places = {name: f"pytorch_model-{1 + i % 2}.bin" for i, name in enumerate(names)}
        for shard in set(places.values()):
            tensors = {name: state[name] for name in names if places[name] == shard}
            torch.save(tensors, folder / shard)
        (folder / WEIGHTS).unlink()
        index = {"metadata": {}, "weight_map": places}
        (folder / "pytorch_model.bin.index.json").write_text(json.dumps(index))
        assert_same(graft.Model.from_pretrained(folder), expected)

    def test_saving_again_replaces_them(self, shards: Path) -> None:
        model = make_classifier(LABELS, seed=1)
        model.save_pretrained(shards)
        assert {path.name for path in shards.iterdir()} == {"config.json", WEIGHTS}
        model = make_classifier(LABELS, seed=2)
        model.save_pretrained(shards, max_shard_size=20_000)
        assert not (shards / WEIGHTS).exists()
        assert_same(graft.Model.from_pretrained(shards), model)

    def test_one_is_missing(self, shards: Path) -> None:
        (shards / next(shards.glob("model-00002-*")).name).unlink()
        with pytest.raises(ModelError, match=r"index\.json names \d+ shards.*: model-00002-of"):
            graft.Model.from_pretrained(shards)

    def test_one_is_truncated(self, shards: Path) -> None:
        path = next(shards.glob("model-00002-*"))
        path.write_bytes(path.read_bytes()[:-8])
        with pytest.raises(ModelError, match=r"model-00002-of-\d+\.safetensors is truncated"):
            graft.Model.from_pretrained(shards)

    def test_one_lacks_a_tensor(self, shards: Path) -> None:
        path = next(shards.glob("model-00002-*"))
        name = next(iter(load_file(path)))
        change_tensors(path, lambda tensors: tensors.pop(name))
        with pytest.raises(ModelError, match=rf"says that {path.name} has {name}, which it lacks"):
            graft.Model.from_pretrained(shards)

    @pytest.mark.parametrize("content", ["", "[]", "{}", '{"weight_map": []}', "\0"])
    def test_a_malformed_index(self, shards: Path, content: str) -> None:
        (shards / INDEX).write_text(content)
        with pytest.raises(ModelError, match=r"index\.json (is not valid|holds|has no weight_map)"):
            graft.Model.from_pretrained(shards)

    @pytest.mark.parametrize("shard", ["../secret.safetensors", "/etc/passwd", "..", 3, None])
    def test_an_index_that_names_files_elsewhere(self, shards: Path, shard: Any) -> None:
        change_json(shards / INDEX, weight_map={"bert.pooler.dense.bias": shard})
        with pytest.raises(ModelError, match="is not the name of a file beside it"):
            graft.Model.from_pretrained(shards)

    @pytest.mark.parametrize("size", ["5 apples", 0, "0GB", -1, 1.5, ""])
    def test_a_size_that_is_none(self, tmp_path: Path, size: Any) -> None:
        with pytest.raises(ModelError, match="max_shard_size is"):
            make_model().save_pretrained(tmp_path / "saved", max_shard_size=size)
        assert list(tmp_path.iterdir()) == []


class TestNumbers:
    @pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float64, "bfloat16"])
    def test_the_format_asked_for(self, folder: Path, dtype: Any) -> None:
        model = graft.Model.from_pretrained(folder, dtype=dtype)
        expected = getattr(torch, dtype) if isinstance(dtype, str) else dtype
        assert model.dtype == expected
        whole = graft.Model.from_pretrained(folder).state_dict()
        for name, weight in model.state_dict().items():
            assert torch.equal(weight, whole[name].to(expected)), name

    def test_the_format_of_the_file(self, folder: Path, tmp_path: Path) -> None:
        half = graft.Model.from_pretrained(folder, dtype="bfloat16")
        half.save_pretrained(tmp_path / "half")
        settings = json.loads((tmp_path / "half" / "config.json").read_text())
        assert settings["dtype"] == "bfloat16"
        assert {t.dtype for t in load_file(tmp_path / "half" / WEIGHTS).values()} == {half.dtype}
        assert graft.Model.from_pretrained(tmp_path / "half").dtype == torch.float32
        assert_same(graft.Model.from_pretrained(tmp_path / "half", dtype="auto"), half)

    def test_it_answers_in_bfloat16(self, folder: Path) -> None:
        batch = graft.Batch.from_sequences(random_ids([5, 9]))
        with torch.inference_mode():
            exact = graft.Model.from_pretrained(folder)(batch).logits
            found = graft.Model.from_pretrained(folder, dtype="bfloat16")(batch).logits
        assert found.dtype == torch.bfloat16
        torch.testing.assert_close(found.float(), exact, atol=0.1, rtol=0.1)

    @pytest.mark.parametrize("dtype", ["int8", "half a byte", torch.int32, None])
    def test_a_format_that_is_none(self, folder: Path, dtype: Any) -> None:
        with pytest.raises(ModelError, match=r"dtype is .*; it may be 'float32'"):
            graft.Model.from_pretrained(folder, dtype=dtype)

    @pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
    @pytest.mark.parametrize("dtype", ["float32", "float16"])
    def test_values_that_are_not_finite(self, folder: Path, value: float, dtype: str) -> None:
        name = "bert.encoder.layer.1.attention.self.key.bias"
        change_tensors(folder / WEIGHTS, lambda tensors: tensors[name].__setitem__(3, value))
        with pytest.raises(ModelError, match=r"layer\.1\.attention\.self\.key\.bias.* has NaN or"):
            graft.Model.from_pretrained(folder, dtype=dtype)

    def test_values_that_the_format_cannot_hold(self, folder: Path) -> None:
        name = "bert.embeddings.LayerNorm.weight"
        change_tensors(folder / WEIGHTS, lambda tensors: tensors[name].fill_(1e6))
        assert graft.Model.from_pretrained(folder)
        with pytest.raises(ModelError, match=r"LayerNorm\.weight.*that float16 cannot hold"):
            graft.Model.from_pretrained(folder, dtype="float16")

    def test_all_weights_in_one_byte(self, folder: Path) -> None:
        def quantise(tensors: dict[str, Tensor]) -> None:
            tensors |= {n: t.to(torch.float8_e4m3fn) for n, t in tensors.items()}

        change_tensors(folder / WEIGHTS, quantise)
        with pytest.raises(ModelError, match=r"kept as float8_e4m3fn.*quantised"):
            graft.Model.from_pretrained(folder, dtype="auto")

    @pytest.mark.parametrize("change", [lambda t: t[0].clone(), lambda t: t[:0].clone()])
    def test_a_part_that_is_too_small(self, folder: Path, change: Any) -> None:
        name = "bert.encoder.layer.1.attention.self.key.bias"
        change_tensors(folder / WEIGHTS, lambda t: t.update({name: change(t[name])}))
        with pytest.raises(
            ModelError, match=r"key\.bias \+ .* has shape \[32\] \+ \[0?\] \+ \[32\], but config"
        ):
            graft.Model.from_pretrained(folder)

    def test_a_tensor_that_is_there_twice(self, folder: Path) -> None:
        """With the prefix of a model with a head, and without it."""
        expected = graft.Model.from_pretrained(folder)
        name = "embeddings.LayerNorm.bias"
        change_tensors(folder / WEIGHTS, lambda t: t.update({name: t[f"bert.{name}"].clone()}))
        assert_same(graft.Model.from_pretrained(folder), expected)
        change_tensors(folder / WEIGHTS, lambda t: t[name].add_(1))
        with pytest.raises(ModelError, match=r"keeps (bert\.)?embeddings\..* and .* but differ"):
            graft.Model.from_pretrained(folder)

    def test_large_values_that_are_finite(self, folder: Path) -> None:
        """Their sum is not."""
        name = "bert.embeddings.LayerNorm.weight"
        change_tensors(folder / WEIGHTS, lambda tensors: tensors[name].fill_(3e38))
        model = graft.Model.from_pretrained(folder)
        assert float(model.get_parameter("body.embeddings.norm.weight").detach()[0]) > 2e38

    @pytest.mark.parametrize("dtype", ["int8", "uint8", "bool", "float8_e4m3fn", "float8_e5m2"])
    @pytest.mark.parametrize("asked", ["float32", "auto"])
    def test_quantised_weights(self, folder: Path, dtype: str, asked: str) -> None:
        name = "bert.encoder.layer.0.output.dense.weight"

        def quantise(tensors: dict[str, Tensor]) -> None:
            tensors[name] = tensors[name].to(getattr(torch, dtype))

        change_tensors(folder / WEIGHTS, quantise)
        with pytest.raises(
            ModelError, match=rf"output\.dense\.weight is kept as {dtype}: .*quanti"
        ):
            graft.Model.from_pretrained(folder, dtype=asked)

    def test_a_quantisation_that_is_announced(self, folder: Path) -> None:
        change_json(folder / "config.json", quantization_config={"quant_method": "gptq"})
        with pytest.raises(ModelError, match=r"config\.json: quantization_config"):
            graft.Model.from_pretrained(folder)


class TestWhereWeightsLive:
    def test_what_is_kept_as_it_is_needed_is_mapped(self, folder: Path) -> None:
        """The file is replaced while the model is in use, and changed weights stay with us."""
        model = graft.Model.from_pretrained(folder)
        before = {name: weight.clone() for name, weight in model.state_dict().items()}
        with torch.no_grad():
            for weight in model.parameters():
                weight += 1
        make_classifier(LABELS, seed=5).save_pretrained(folder)
        for name, weight in model.state_dict().items():
            assert torch.equal(weight, before[name] + 1), name

    def test_saving_onto_the_files_it_came_from(self, folder: Path) -> None:
        model = graft.Model.from_pretrained(folder)
        before = {name: weight.clone() for name, weight in model.state_dict().items()}
        model.save_pretrained(folder)
        model.save_pretrained(folder, max_shard_size="20KB")
        again = graft.Model.from_pretrained(folder).state_dict()
        assert all(torch.equal(again[name], weight) for name, weight in before.items())

    @pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")
    @pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
    def test_a_device(self, folder: Path, dtype: str) -> None:
        model = graft.Model.from_pretrained(folder, device="cuda", dtype=dtype)
        assert {weight.device.type for weight in model.parameters()} == {"cuda"}
        assert_same(model.cpu(), graft.Model.from_pretrained(folder, dtype=dtype))

    @pytest.mark.parametrize("device", ["toaster", "cuda:99", "cpu:x"])
    def test_a_device_that_is_not_there(self, folder: Path, device: str) -> None:
        with pytest.raises(ModelError, match=f"device is '{device}', which is not there"):
            graft.Model.from_pretrained(folder, device=device)


class TestReport:
    def test_a_head_of_another_size_is_made_anew(
        self, folder: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        name = "bert.pooler.dense.weight"

        def cut(tensors: dict[str, Tensor]) -> None:
            tensors[name] = tensors[name][:, :7].clone()

        change_tensors(folder / WEIGHTS, cut)
        report = graft.Model.from_pretrained(folder).report
        assert report is not None
        assert report.made_anew == ("head.pool.weight",)
        assert "head.pool.weight" not in report.loaded
        (wrong,) = report.wrong_shape
        assert (wrong.name, wrong.found, wrong.wanted) == ("head.pool.weight", (32, 7), (32, 32))
        assert "head.pool.weight [32, 7] -> [32, 32]), and are made anew" in caplog.text

    @pytest.mark.parametrize("task", [None, "fill-mask"])
    def test_a_head_that_the_file_lacks(
        self, tmp_path: Path, caplog: pytest.LogCaptureFixture, task: str | None
    ) -> None:
        """Whether `config.json` or the caller says that there is one."""
        make_model().save_pretrained(tmp_path)
        if task is None:
            change_json(tmp_path / "config.json", architectures=["BertForMaskedLM"])
        model = graft.Model.from_pretrained(tmp_path, task=task)
        assert model.report is not None
        assert "head.dense.weight" in model.report.made_anew
        (line,) = caplog.messages
        assert "lack those of the head for fill-mask (head." in line
        assert "made anew: train it before use" in line

    def test_a_new_head_for_labels_of_ones_own_is_no_news(
        self, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        make_model().save_pretrained(tmp_path)
        graft.Model.from_pretrained(tmp_path, task="token-classification", labels=["a", "b"])
        assert caplog.messages == []

    def test_it_shows_itself(self, folder: Path) -> None:
        def add(tensors: dict[str, Tensor]) -> None:
            tensors["<b>strange</b>"] = torch.zeros(1)

        change_tensors(folder / WEIGHTS, add)
        model = graft.Model.from_pretrained(folder, task="text-classification", labels=["a", "b"])
        text = repr(model.report)
        assert "made anew: 2 (head.classify.weight, head.classify.bias)" in text
        assert "body.blocks.0-1.attention.qkv.weight" in text
        assert "<b>strange</b>" in text
        assert model.report is not None
        assert "&lt;b&gt;strange&lt;/b&gt;" in model.report._repr_html_()

    def test_one_of_all_weights(self, folder: Path) -> None:
        model = graft.Model.from_pretrained(folder)
        assert model.report is not None
        assert set(model.report.loaded) == set(model.state_dict())
        assert model.report.path == folder / WEIGHTS
        assert [model.report.made_anew, model.report.left_over, model.report.wrong_shape] == [
            ()
        ] * 3


class TestSafetensors:
    @pytest.mark.parametrize("length", [2**63, 2**40, 10**9])
    def test_an_absurd_size_of_the_header(self, folder: Path, length: int) -> None:
        content = (folder / WEIGHTS).read_bytes()
        (folder / WEIGHTS).write_bytes(struct.pack("<Q", length) + content[8:])
        with pytest.raises(ModelError, match=r"model\.safetensors is truncated or damaged"):
            graft.Model.from_pretrained(folder)

    def test_an_absurd_shape(self, folder: Path) -> None:
        entry = {"dtype": "F32", "shape": [2**40, 2**20], "data_offsets": [0, 8]}
        header = json.dumps({"bert.embeddings.word_embeddings.weight": entry}).encode()
        content = struct.pack("<Q", len(header)) + header + bytes(8)
        (folder / WEIGHTS).write_bytes(content)
        with pytest.raises(ModelError, match=r"model\.safetensors is truncated or damaged"):
            graft.Model.from_pretrained(folder)


def test_the_best_format_comes_first(folder: Path) -> None:
    for name in ("pytorch_model.bin", "tf_model.h5", "flax_model.msgpack"):
        (folder / name).write_bytes(b"nonsense")
    assert graft.Model.from_pretrained(folder).labels == LABELS
    assert safetensors.torch.load_file(folder / WEIGHTS)
