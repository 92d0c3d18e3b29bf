"""A model whose weights are pickles only gets a pull request with the same ones as safetensors."""

import io
import json
import os
import pickle
from pathlib import Path
from typing import Any

import pytest
import torch
from person import Person, file, large
from safetensors.torch import load as load_safetensors
from sqlalchemy import select

from graft.server.conversion.weights import RefusedWeightsError, convert
from graft.server.db.tables import ConversionRow, RepositoryRow
from graft.server.running import RunningHub
from waiting import wait_until


class Runs:
    """Unpickled, this runs a command."""

    def __reduce__(self) -> object:
        return os.system, ("true",)


def saved(value: object, **options: Any) -> bytes:
    buffer = io.BytesIO()
    torch.save(value, buffer, **options)
    return buffer.getvalue()


def state() -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    embedding = torch.randn(10, 4, generator=generator)
    return {
        "embedding.weight": embedding,
        "head.weight": embedding,
        "part": embedding[2:5, 1:3],
        "half": torch.randn(3, generator=generator).half(),
        "count": torch.tensor(7),
        "nothing": torch.zeros(0, 3),
        "not.a.number": torch.tensor([float("nan"), 1.0]),
    }


def push(who: Person, repo: str, files: dict[str, bytes]) -> None:
    operations = [
        file(path, data)
        if path.endswith(".json")
        else large(path, who.upload(repo, data), len(data))
        for path, data in files.items()
    ]
    made = who.commit(repo, *operations)
    assert made.status_code == 200, made.text


def outcome(hub: RunningHub, repo: str) -> tuple[str, str]:
    """What became of the repository's conversion, once it was tried."""
    name = repo.partition("/")[2]
    asked = (
        select(ConversionRow.status, ConversionRow.detail)
        .join(RepositoryRow, RepositoryRow.id == ConversionRow.repository_id)
        .where(RepositoryRow.key == repo.lower())
    )

    def became() -> tuple[str, str] | None:
        with hub.hub.database.reading() as session:
            row = session.execute(asked).first()
        assert row is not None, f"nobody would convert {name}"
        return (row.status, row.detail) if row.status in ("done", "failed") else None

    return wait_until(became, "nobody converts", seconds=120)


def pull_requests(who: Person, repo: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = who.http.get(f"/api/models/{repo}/discussions").json()[
        "discussions"
    ]
    return [item for item in found if item["isPullRequest"]]


def same(one: torch.Tensor, other: torch.Tensor) -> bool:
    return one.dtype == other.dtype and torch.equal(one.nan_to_num(), other.nan_to_num())


def test_files_of_old_and_new_forms_are_read(tmp_path: Path) -> None:
    for zipped in (True, False):
        data = saved(state(), _use_new_zipfile_serialization=zipped)
        (tmp_path / "pytorch_model.bin").write_bytes(data)
        convert(tmp_path / "pytorch_model.bin", tmp_path / "model.safetensors")
        made = load_safetensors((tmp_path / "model.safetensors").read_bytes())
        assert made.keys() == state().keys()
        assert all(same(made[name], tensor) for name, tensor in state().items())


def test_a_pull_request_brings_the_same_weights(hub: RunningHub, ada: Person) -> None:
    repo = ada.create("pickled-only", private=True)
    data = saved(state())
    push(ada, repo, {"pytorch_model.bin": data, "training_args.bin": pickle.dumps({})})
    assert outcome(hub, repo) == ("done", "pull request 1")
    (request,) = pull_requests(ada, repo)
    assert request["author"]["name"] == "SFconvertbot"
    assert ada.files(repo) == {"pytorch_model.bin", "training_args.bin"}
    made = load_safetensors(ada.read(repo, "model.safetensors", "refs%2Fpr%2F1"))
    assert made.keys() == state().keys()
    assert all(same(made[name], tensor) for name, tensor in state().items())
    merged = ada.http.post(f"/api/models/{repo}/discussions/1/merge", json={})
    assert merged.status_code == 200, merged.text
    assert "model.safetensors" in ada.files(repo)
    assert ada.http.get(f"/api/models/{repo}").json()["safetensors"]["total"] > 0


def test_shards_keep_their_index(hub: RunningHub, ada: Person) -> None:
    repo = ada.create("in-shards")
    tensors = state()
    names = [f"pytorch_model-0000{n}-of-00002.bin" for n in (1, 2)]
    first, second = dict(list(tensors.items())[:3]), dict(list(tensors.items())[3:])
    weight_map = dict.fromkeys(first, names[0]) | dict.fromkeys(second, names[1])
    index = json.dumps({"metadata": {"total_size": 1}, "weight_map": weight_map}).encode()
    push(
        ada,
        repo,
        {
            names[0]: saved(first),
            names[1]: saved(second),
            "pytorch_model.bin.index.json": index,
        },
    )
    assert outcome(hub, repo) == ("done", "pull request 1")
    revision = "refs%2Fpr%2F1"
    made = json.loads(ada.read(repo, "model.safetensors.index.json", revision))
    assert set(made["weight_map"].values()) == {
        "model-00001-of-00002.safetensors",
        "model-00002-of-00002.safetensors",
    }
    for name, shard in made["weight_map"].items():
        assert same(load_safetensors(ada.read(repo, shard, revision))[name], tensors[name])


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (saved({"a": torch.zeros(2), "b": Runs()}), "more than tensors"),
        (saved({"a": 1}), "no tensor"),
        (saved([torch.zeros(1)]), "not tensors by name"),
        (b"not a pickle", "pytorch_model.bin"),
        (saved({"a": torch.zeros(2, dtype=torch.complex64)}), "safetensors lacks"),
    ],
)
def test_what_is_no_plain_tensors_is_refused(tmp_path: Path, data: bytes, why: str) -> None:
    (tmp_path / "pytorch_model.bin").write_bytes(data)
    with pytest.raises(RefusedWeightsError, match=why):
        convert(tmp_path / "pytorch_model.bin", tmp_path / "model.safetensors")


def test_what_cannot_be_converted_is_left_alone(hub: RunningHub, ada: Person) -> None:
    repo = ada.create("not-plain")
    push(ada, repo, {"pytorch_model.bin": saved({"a": torch.zeros(2), "b": Runs()})})
    status, detail = outcome(hub, repo)
    assert status == "failed"
    assert "more than tensors" in detail
    assert pull_requests(ada, repo) == []


def test_the_same_weights_are_tried_once(hub: RunningHub, ada: Person) -> None:
    repo = ada.create("tried-once")
    push(ada, repo, {"pytorch_model.bin": saved({"a": torch.ones(3)})})
    outcome(hub, repo)
    assert ada.commit(repo, file("notes.md", "more")).status_code == 200
    assert outcome(hub, repo) == ("done", "pull request 1")
    assert len(pull_requests(ada, repo)) == 1


def test_weights_beside_safetensors_are_left_alone(hub: RunningHub, ada: Person) -> None:
    repo = ada.create("has-both")
    files = {"pytorch_model.bin": saved(state()), "model.safetensors": b"whatever they hold"}
    push(ada, repo, files)
    with hub.hub.database.reading() as session:
        found = session.execute(
            select(ConversionRow.status)
            .join(RepositoryRow, RepositoryRow.id == ConversionRow.repository_id)
            .where(RepositoryRow.key == repo.lower())
        ).all()
    assert found == []


def test_nobody_can_have_the_hubs_own_name(hub: RunningHub) -> None:
    with pytest.raises(Exception, match="reserved"):
        hub.add_user("Graft-Hub")
