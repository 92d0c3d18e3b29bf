"""Weights that Keras and Flax saved: what is told of damaged files."""

import sys
from pathlib import Path
from typing import Any

import h5py
import msgpack
import pytest

import graft
from graft.errors import MissingExtraError, ModelError
from graft.models.weights import keras
from small import make_classifier

LABELS = ("human", "location", "number")
WEIGHTS = "model.safetensors"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A saved classifier."""
    make_classifier(LABELS).save_pretrained(tmp_path / "saved")
    return tmp_path / "saved"


class TestKeras:
    @pytest.fixture
    def path(self, folder: Path) -> Path:
        (folder / WEIGHTS).unlink()
        return folder / "tf_model.h5"

    def test_without_h5py(self, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        path.write_bytes(b"")
        monkeypatch.setitem(sys.modules, "h5py", None)
        with pytest.raises(MissingExtraError, match=r"tf_model\.h5.*graft-nlp\[keras\]"):
            keras.KerasFile(path)

    @pytest.mark.parametrize("content", [b"", b"<html>", b"\x89HDF\r\n\x1a\n" + bytes(100)])
    def test_damaged(self, path: Path, content: bytes) -> None:
        path.write_bytes(content)
        with pytest.raises(ModelError, match=r"tf_model\.h5 is truncated or damaged"):
            graft.Model.from_pretrained(path.parent)

    def test_of_something_else(self, path: Path) -> None:
        with h5py.File(path, "w") as file:
            file["temperatures"] = [1.0, 2.0]
        with pytest.raises(ModelError, match=r"tf_model\.h5 names no layers"):
            graft.Model.from_pretrained(path.parent)

    def test_a_layer_that_is_not_there(self, path: Path) -> None:
        with h5py.File(path, "w") as file:
            file.attrs["layer_names"] = [b"bert"]
        with pytest.raises(ModelError, match=r"tf_model\.h5 is truncated or damaged"):
            graft.Model.from_pretrained(path.parent)


class TestFlax:
    @pytest.fixture
    def path(self, folder: Path) -> Path:
        (folder / WEIGHTS).unlink()
        return folder / "flax_model.msgpack"

    def array(self, shape: Any, dtype: Any, content: bytes) -> msgpack.ExtType:
        return msgpack.ExtType(1, msgpack.packb((shape, dtype, content)))

    @pytest.mark.parametrize(
        "content",
        [
            b"",
            b"\xc1",
            b"\xdf\xff\xff\xff\xff",
            b"\x81\xa1a\xc6\xff\xff\xff\xff",
            b"\x81" * 100,
            b"\x91" * 5000 + b"\x00",
            msgpack.packb([1, 2]),
            msgpack.packb({"a": {"b": 3}}),
            msgpack.packb({"a": "text"}),
            msgpack.packb({b"\xff": 1}),
        ],
    )
    def test_damaged(self, path: Path, content: bytes) -> None:
        path.write_bytes(content)
        with pytest.raises(ModelError, match=r"flax_model\.msgpack is truncated or damaged"):
            graft.Model.from_pretrained(path.parent)

    @pytest.mark.parametrize(
        ("shape", "dtype", "content"),
        [
            ((2, 2), "float32", bytes(12)),
            ((2**40, 2**40), "float32", bytes(8)),
            ((-1, -3), "float32", bytes(12)),
            ((3,), "object", bytes(12)),
            ((3,), "load", bytes(12)),
            ("3", "float32", bytes(12)),
        ],
    )
    def test_an_array_that_cannot_be(
        self, path: Path, shape: Any, dtype: Any, content: bytes
    ) -> None:
        path.write_bytes(msgpack.packb({"a": self.array(shape, dtype, content)}))
        with pytest.raises(ModelError, match=r"flax_model\.msgpack is truncated or damaged"):
            graft.Model.from_pretrained(path.parent)

    def test_a_chunk_is_missing(self, path: Path) -> None:
        chunks = {"0": self.array((2,), "float32", bytes(8))}
        array = {"__msgpack_chunked_array__": True, "shape": {"0": 4}, "chunks": chunks}
        path.write_bytes(msgpack.packb({"a": array}))
        with pytest.raises(ModelError, match=r"chunks of an array are not of its shape \[4\]"):
            graft.Model.from_pretrained(path.parent)

    def test_nothing_in_it(self, path: Path) -> None:
        path.write_bytes(msgpack.packb({}))
        with pytest.raises(ModelError, match=r"flax_model\.msgpack holds no arrays"):
            graft.Model.from_pretrained(path.parent)

    def test_each_truncation(self, path: Path) -> None:
        content = msgpack.packb({"a": {"kernel": self.array((2, 2), "float32", bytes(16))}})
        for kept in range(len(content)):
            path.write_bytes(content[:kept])
            with pytest.raises(ModelError, match="truncated or damaged"):
                graft.Model.from_pretrained(path.parent)
