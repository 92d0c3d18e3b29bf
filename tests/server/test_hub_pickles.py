"""Pickles are looked through without being run: what they would import is told, whatever they lie
in, and files made to keep a reader busy do not."""

import bz2
import collections
import gzip
import io
import lzma
import os
import pickle
import subprocess
import tarfile
import zipfile
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch

from graft.server.scan import containers, pickles
from graft.server.scan.containers import walk_file
from graft.server.scan.pickles import TooLongError
from graft.server.scan.verdicts import Safety, judge


class Runs:
    """Unpickled, this runs a command."""

    def __reduce__(self) -> object:
        return os.system, ("true",)


def imports(data: bytes) -> list[str]:
    walk = walk_file(lambda start, length: data[start : start + length], len(data))
    return [f"{module}.{name}" for module, name in walk.imports]


def saved(value: object, **options: object) -> bytes:
    file = io.BytesIO()
    torch.save(value, file, **options)  # type: ignore[arg-type]
    return file.getvalue()


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_every_protocol(protocol: int) -> None:
    data = pickle.dumps([{"a": 1}, collections.OrderedDict(), Runs()], protocol)
    assert f"{os.system.__module__}.system" in imports(data)
    assert "collections.OrderedDict" in imports(data)


@pytest.mark.parametrize(
    "pack",
    [
        bytes,
        gzip.compress,
        bz2.compress,
        lzma.compress,
        zlib.compress,
        lambda data: lzma.compress(data, lzma.FORMAT_ALONE),
    ],
)
def test_packed_pickles(pack: object) -> None:
    data = pickle.dumps(Runs()) + b"x" * 10
    assert imports(pack(data)) == [f"{os.system.__module__}.system"]  # type: ignore[operator]


@pytest.mark.parametrize("zipped", [True, False])
def test_weights_of_torch(zipped: bool) -> None:
    state = {f"layer.{n}": torch.randn(50, 50) for n in range(20)}
    found = imports(saved(state, _use_new_zipfile_serialization=zipped))
    assert found
    assert {judge(*name.rsplit(".", 1)) for name in found} == {Safety.INNOCUOUS}
    harmful = imports(saved({**state, "x": Runs()}, _use_new_zipfile_serialization=zipped))
    assert f"{os.system.__module__}.system" in harmful


def test_arrays_of_numpy_and_long_bytes_are_passed_over() -> None:
    found = imports(pickle.dumps([np.arange(500_000), b"c" * 3_000_000, "os\nsystem\n" * 5000]))
    assert {judge(*name.rsplit(".", 1)) for name in found} == {Safety.INNOCUOUS}


def test_a_pickle_hidden_in_an_archive() -> None:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("a/data.pkl", pickle.dumps({}))
        archive.writestr("a/notes.txt", "cos\nsystem\n")
        archive.writestr("a/hidden", pickle.dumps(Runs()))
    assert imports(file.getvalue()) == [f"{os.system.__module__}.system"]
    tar = io.BytesIO()
    with tarfile.open(fileobj=tar, mode="w") as packed:
        member = tarfile.TarInfo("pickle")
        data = pickle.dumps(Runs())
        member.size = len(data)
        packed.addfile(member, io.BytesIO(data))
    assert imports(tar.getvalue()) == [f"{os.system.__module__}.system"]


CALL = b"(Vtrue\ntR."
HIDDEN = {
    "escaped as Unicode": b"\x80\x04V\\u0070osix\nV\\u0073ystem\n\x93" + CALL,
    "escaped as bytes": b"\x80\x04S'\\x70osix'\nS'\\x73ystem'\n\x93" + CALL,
    "by a long way": b"\x80\x04cos\n" + b"path.os." * 100 + b"system\n" + CALL,
    "behind a module with a hyphen": b"c_sysconfigdata__linux_x86_64-linux-gnu\nbuild_time_vars\n"
    b"0cposix\nsystem\n" + CALL,
    "in what looks like a tar": b"\x80\x02X\x05\x01\0\0" + b"a" * 250 + b"ustar" + b"b" * 6 + b"0"
    b"cposix\nsystem\n" + CALL,
    "in what looks like bzip2": b"BZh\0\0" + b"a" * 26714 + b"0cposix\nsystem\n" + CALL,
}


@pytest.mark.parametrize("data", HIDDEN.values(), ids=HIDDEN)
def test_what_readers_are_led_to_is_seen(data: bytes) -> None:
    """All of these run a command; names that cannot be told count as dangerous."""

    class Reader(pickle.Unpickler):
        def find_class(self, module: str, name: str) -> object:
            found = super().find_class(module, name) if "-" not in module else str
            return str if found is os.system else found

    assert Reader(io.BytesIO(data)).load() == "true"
    walk = walk_file(lambda start, length: data[start : start + length], len(data))
    assert Safety.DANGEROUS in {judge(*names) for names in walk.imports}


@pytest.mark.parametrize("harm", ["checksum", "flags", "name"])
def test_an_archive_that_only_others_can_read_is_told_of(harm: str) -> None:
    """PyTorch's own reader passes over what Python's takes for damage."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("archive/data.pkl", pickle.dumps(Runs()))
    data = bytearray(file.getvalue())
    directory = data.index(b"PK\x01\x02")
    place = {"checksum": directory + 16, "flags": directory + 8, "name": data.index(b"archive/")}
    data[place[harm]] ^= 1
    whole, broken = (
        walk_file(lambda start, length, d=each: bytes(d[start : start + length]), len(each))
        for each in (file.getvalue(), data)
    )
    assert whole.is_whole
    assert whole.imports
    assert not broken.is_whole


def test_a_broken_pickle_counts_up_to_where_it_breaks() -> None:
    data = pickle.dumps(Runs())
    assert imports(data[:-5]) == [f"{os.system.__module__}.system"]


def test_names_that_are_made_on_the_way_are_told_as_unknown() -> None:
    # STACK_GLOBAL on what an earlier call answered.
    data = b"\x80\x04cbuiltins\nstr\n)R\x8c\x06system\x93."
    assert imports(data) == ["builtins.str", "?.system"]
    assert judge("?", "system") is Safety.DANGEROUS


def test_names_out_of_the_memo() -> None:
    data = b"\x80\x04\x8c\x02os\x94\x8c\x06system\x94000h\x00h\x01\x93."
    assert imports(data) == ["os.system"]


@pytest.mark.parametrize(
    "data",
    [b"", b"\x80", b"not a pickle at all", bytes(range(256)) * 100, b"PK\x03\x04" + b"\0" * 500],
)
def test_what_is_no_pickle_imports_nothing(data: bytes) -> None:
    assert imports(data) == []


def test_bombs_end_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pickles, "MAX_INSTRUCTIONS", 50_000)
    monkeypatch.setattr(containers, "MAX_UNPACKED_BYTES", 1_000_000)
    for data in (
        b"\x80\x04" + b"]" * 100_000 + b".",
        gzip.compress(b"\x80\x04B" + (50_000_000).to_bytes(4, "little") + b"\0" * 50_000_000),
        b"\x80\x04cos\nsystem\n" + b"N0" * 100_000 + b".",
    ):
        with pytest.raises(TooLongError):
            imports(data)


def test_what_was_found_before_a_limit_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pickles, "MAX_INSTRUCTIONS", 1000)
    data = b"\x80\x04cos\nsystem\n" + b"N0" * 10_000 + b"."
    with pytest.raises(TooLongError) as caught:
        imports(data)
    assert list(caught.value.imports) == [("os", "system")]


def test_nothing_is_run(tmp_path: Path) -> None:
    trace = tmp_path / "trace"

    class Leaves:
        def __reduce__(self) -> object:
            return subprocess.check_call, (["touch", str(trace)],)

    assert imports(pickle.dumps(Leaves())) == ["subprocess.check_call"]
    assert not trace.exists()


@pytest.mark.parametrize(
    ("module", "name", "safety"),
    [
        ("torch._utils", "_rebuild_tensor_v2", Safety.INNOCUOUS),
        ("collections", "OrderedDict", Safety.INNOCUOUS),
        ("posix", "system", Safety.DANGEROUS),
        ("os.path", "join", Safety.DANGEROUS),
        ("builtins", "eval", Safety.DANGEROUS),
        ("builtins", "getattr", Safety.DANGEROUS),
        ("torch", "hub.load", Safety.DANGEROUS),
        ("torch.hub", "load", Safety.DANGEROUS),
        ("numpy.testing._private.utils", "runstring", Safety.DANGEROUS),
        ("collections", "OrderedDict.__init__.__globals__", Safety.DANGEROUS),
        ("osprey", "hunt", Safety.SUSPICIOUS),
        ("sklearn.linear_model", "LogisticRegression", Safety.SUSPICIOUS),
    ],
)
def test_verdicts(module: str, name: str, safety: Safety) -> None:
    assert judge(module, name) is safety
