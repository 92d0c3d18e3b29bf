"""Embeddings of sentences are those of `sentence-transformers`, from its files and to them."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from oracle import noisy
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.modules import (
    Dense,
    Normalize,
    Pooling,
    Transformer,
)
from tiny_bert import make_oracle
from torch import Tensor, nn

import graft
from graft.errors import ModelError
from small import TOPICS, make_model, write_vocabulary

TEXTS = ["the soup", "we saw a very good match", "rain", " ".join(TOPICS["food"] * 3), "snow, ice"]
MODES = ["cls", "mean", "max", "mean_sqrt_len_tokens", "lasttoken", "weightedmean"]


@pytest.fixture
def words(tmp_path: Path) -> Path:
    """A random BERT of the oracle with its tokenizer."""
    folder = tmp_path / "words"
    noisy(make_oracle()).save_pretrained(folder)
    write_vocabulary(folder)
    return folder


def theirs_of(words: Path, *modules: Any, modes: Any = "mean") -> SentenceTransformer:
    stack = [Transformer(str(words)), Pooling(32, modes), *modules]
    return SentenceTransformer(modules=stack, device="cpu")


@torch.inference_mode()
def ours_of(folder: Path, texts: list[str] = TEXTS) -> Tensor:
    model, tokenizer = (kind.from_pretrained(folder) for kind in (graft.Model, graft.Tokenizer))
    rows = [row.tolist() for row in tokenizer.encode_batch(texts, max_length=64)]
    embeddings = model(graft.Batch.from_sequences(rows)).embeddings
    assert embeddings is not None
    return embeddings


def assert_same_both_ways(theirs: SentenceTransformer, folder: Path) -> None:
    """From their files to ours, and from ours back."""
    for module in theirs:
        for parameter in module.parameters():
            parameter.requires_grad_(False)
    expected = theirs.encode(TEXTS, convert_to_tensor=True)
    theirs.save(str(folder / "theirs"))
    torch.testing.assert_close(ours_of(folder / "theirs"), expected, atol=1e-5, rtol=1e-5)
    graft.Model.from_pretrained(folder / "theirs").save_pretrained(folder / "ours")
    graft.Tokenizer.from_pretrained(folder / "theirs").save_pretrained(folder / "ours")
    again = SentenceTransformer(str(folder / "ours"), device="cpu")
    assert [type(module) for module in again] == [type(module) for module in theirs]
    found = again.encode(TEXTS, convert_to_tensor=True)
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(ours_of(folder / "ours"), expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("mode", MODES)
def test_each_way_to_pool(words: Path, tmp_path: Path, mode: str) -> None:
    assert_same_both_ways(theirs_of(words, modes=mode), tmp_path)


@pytest.mark.parametrize("modes", [("cls", "max"), ("weightedmean", "lasttoken", "cls")])
def test_several_are_concatenated_in_their_order(
    words: Path, tmp_path: Path, modes: tuple[str, ...]
) -> None:
    assert_same_both_ways(theirs_of(words, Normalize(), modes=modes), tmp_path)


def test_projections_and_normalisation(words: Path, tmp_path: Path) -> None:
    theirs = theirs_of(
        words,
        Dense(64, 24),
        Dense(24, 7, bias=False, activation_function=nn.Identity()),
        Normalize(),
        modes=("mean", "max"),
    )
    assert_same_both_ways(theirs, tmp_path)


def test_files_of_old_versions(words: Path, tmp_path: Path) -> None:
    """The transformer is in a folder of its own, and ways to pool are flags."""
    theirs = theirs_of(words, Dense(32, 8))
    expected = theirs.encode(TEXTS, convert_to_tensor=True)
    folder = tmp_path / "old"
    theirs.save(str(folder))
    modules = json.loads((folder / "modules.json").read_text())
    modules[0]["path"] = "0_Transformer"
    (folder / "modules.json").write_text(json.dumps(modules))
    (folder / "0_Transformer").mkdir()
    for path in [path for path in folder.iterdir() if path.is_file()]:
        if path.name not in ("modules.json", "config_sentence_transformers.json"):
            path.rename(folder / "0_Transformer" / path.name)
    flags = {"word_embedding_dimension": 32, "pooling_mode_mean_tokens": True}
    (folder / "1_Pooling" / "config.json").write_text(json.dumps(flags))
    dense = folder / "2_Dense"
    state = {name: t.clone() for name, t in theirs[2].state_dict().items()}
    torch.save(state, dense / "pytorch_model.bin")
    (dense / "model.safetensors").unlink()
    tokenizer = graft.Tokenizer.from_pretrained(words)
    rows = [row.tolist() for row in tokenizer.encode_batch(TEXTS, max_length=64)]
    with torch.inference_mode():
        found = graft.Model.from_pretrained(folder)(graft.Batch.from_sequences(rows)).embeddings
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)


def test_what_the_files_said_beyond_the_head_is_kept(words: Path, tmp_path: Path) -> None:
    theirs_of(words).save(str(tmp_path / "theirs"))
    graft.Model.from_pretrained(tmp_path / "theirs").save_pretrained(tmp_path / "ours")
    name = "config_sentence_transformers.json"
    assert (tmp_path / "ours" / name).read_text() == (tmp_path / "theirs" / name).read_text() + "\n"


@torch.inference_mode()
def test_a_model_of_words_alone_gives_means(words: Path) -> None:
    model = graft.Model.from_pretrained(words, task="sentence-similarity")
    batch = graft.Batch.from_sequences([[5, 6, 7], [8]])
    output = model(batch)
    assert output.logits is None
    assert output.hidden is not None
    assert output.embeddings is not None
    torch.testing.assert_close(output.embeddings[0], output.hidden[:3].mean(0))


def test_another_head_on_such_a_repository(words: Path, tmp_path: Path) -> None:
    theirs_of(words, Dense(32, 8)).save(str(tmp_path / "theirs"))
    model = graft.Model.from_pretrained(
        tmp_path / "theirs", task="text-classification", labels=["a", "b"]
    )
    assert model(graft.Batch.from_sequences([[5, 6, 7]])).logits.shape == (1, 2)


@pytest.mark.parametrize("how", ["first", "last", "mean", "max", "mean_sqrt", "weighted"])
@torch.inference_mode()
def test_packed_equals_alone(how: Any) -> None:
    sentence = graft.models.config.Sentence((how,))
    model = make_model(task="sentence-similarity", sentence=sentence)
    sequences = [[5, 6, 7, 8], [9], [10, 11], [5, 6, 7, 8]]
    packed = model(graft.Batch.from_sequences(sequences)).embeddings
    alone = [model(graft.Batch.from_sequences([row])).embeddings for row in sequences]
    torch.testing.assert_close(packed, torch.cat(alone), atol=1e-5, rtol=1e-5)


class TestWhatIsRefused:
    @pytest.fixture
    def folder(self, words: Path, tmp_path: Path) -> Path:
        theirs_of(words, Dense(32, 8), Normalize()).save(str(tmp_path / "theirs"))
        return tmp_path / "theirs"

    def change(self, path: Path, **changes: Any) -> None:
        path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))

    def test_a_way_to_pool_that_is_none(self, folder: Path) -> None:
        self.change(folder / "1_Pooling" / "config.json", pooling_mode="median")
        with pytest.raises(ModelError, match=r"1_Pooling.config\.json: pooling_mode .*'median'"):
            graft.Model.from_pretrained(folder)

    @pytest.mark.parametrize(
        ("setting", "value"),
        [
            ("activation_function", "os.system"),
            ("use_residual", True),
            ("module_input_name", "token_embeddings"),
            ("out_features", "8"),
        ],
    )
    def test_a_projection_that_we_do_not_have(self, folder: Path, setting: str, value: Any) -> None:
        self.change(folder / "2_Dense" / "config.json", **{setting: value})
        with pytest.raises(ModelError, match=r"2_Dense.config\.json"):
            graft.Model.from_pretrained(folder)

    def test_weights_of_a_projection_are_missing(self, folder: Path) -> None:
        (folder / "2_Dense" / "model.safetensors").unlink()
        with pytest.raises(ModelError, match=r"2_Dense has no weights"):
            graft.Model.from_pretrained(folder)

    def test_a_module_that_we_do_not_have(self, folder: Path) -> None:
        modules = json.loads((folder / "modules.json").read_text())
        modules[3]["type"] = "sentence_transformers.models.LayerNorm"
        (folder / "modules.json").write_text(json.dumps(modules))
        with pytest.raises(ModelError, match=r"modules\.json lists .*LayerNorm"):
            graft.Model.from_pretrained(folder)

    @pytest.mark.parametrize("path", ["../elsewhere", "/etc"])
    def test_a_folder_outside(self, folder: Path, path: str) -> None:
        modules = json.loads((folder / "modules.json").read_text())
        modules[1]["path"] = path
        (folder / "modules.json").write_text(json.dumps(modules))
        with pytest.raises(ModelError, match="which is not below its own"):
            graft.Model.from_pretrained(folder)


@pytest.mark.data
@pytest.mark.minilm
def test_real_texts_by_a_real_model(minilm: Path, shared_data: Path) -> None:
    """The cosine of our embedding of each of 1,000 texts with theirs."""
    data = graft.load_dataset(shared_data / "trec")["train"]
    reviews = graft.load_dataset(shared_data / "imdb", split="test")
    texts = [*data[data.roles.text][:980], *reviews[reviews.roles.text][:20]]
    theirs = SentenceTransformer(str(minilm), device="cpu")
    expected = theirs.encode(texts, convert_to_tensor=True, batch_size=32)
    model, tokenizer = (kind.from_pretrained(minilm) for kind in (graft.Model, graft.Tokenizer))
    rows = [row.tolist() for row in tokenizer.encode_batch(texts, max_length=theirs.max_seq_length)]
    with torch.inference_mode():
        parts = [
            model(graft.Batch.from_sequences(rows[i : i + 50])).embeddings
            for i in range(0, len(rows), 50)
        ]
    cosines = nn.functional.cosine_similarity(torch.cat(parts), expected)
    assert cosines.shape == (1000,)
    assert float(cosines.min()) >= 0.99999
