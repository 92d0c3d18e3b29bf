"""What the service keeps in memory, and what it refuses to take on."""

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from graft.server.errors import BadContentError
from graft.server.hub import Hub
from graft.server.inference.questions import Question, Questions
from graft.server.inference.service import BusyError, InferenceService
from graft.server.records import Kind, Repository
from graft.server.repositories import repos
from graft.server.settings import Settings
from graft.text.tokenizer import Tokenizer
from hub_samples import OWNER, Garden, contents

ONE = Questions((Question("Who wrote Hamlet?"),))


@pytest.fixture
def hub(garden: Garden) -> Iterator[Hub]:
    """A second view on the running Hub's data."""
    hub = Hub(Settings(data_folder=garden.data_folder))
    yield hub
    hub.close()


@pytest.fixture
def models(garden: Garden, hub: Hub) -> list[Repository]:
    """Three repositories of one small model each."""
    found = []
    for number in range(3):
        garden.push(f"{OWNER}/kept-{number}", contents(garden.model))
        found.append(repos.find(hub, Kind.MODEL, OWNER, f"kept-{number}", None))
    return found


def ask(service: InferenceService, hub: Hub, *models: Repository) -> None:
    async def run() -> None:
        for model in models:
            await service.scores(hub, model, ONE)

    asyncio.run(run())
    service.close()


def test_the_model_used_longest_ago_leaves(
    hub: Hub, models: list[Repository], tmp_path: Path
) -> None:
    service = InferenceService(tmp_path, max_models=2)

    async def run() -> list[int]:
        counts = []
        for model in models:
            await service.scores(hub, model, ONE)
            counts.append(service.loaded)
        return counts

    assert asyncio.run(run()) == [1, 2, 2]
    service.close()


def test_memory_bounds_what_stays(hub: Hub, models: list[Repository], tmp_path: Path) -> None:
    size = models[0].size
    service = InferenceService(tmp_path, max_bytes=int(1.5 * size))

    async def run() -> None:
        for model in models:
            await service.scores(hub, model, ONE)

    asyncio.run(run())
    assert service.loaded == 1
    service.close()


def test_a_model_too_large_for_the_hub_is_refused(
    hub: Hub, models: list[Repository], tmp_path: Path
) -> None:
    service = InferenceService(tmp_path, max_bytes=1000)
    with pytest.raises(BadContentError, match="runs models of up to"):
        ask(service, hub, models[0])
    assert list(tmp_path.iterdir()) == []


def test_too_many_requests_at_once_are_turned_away(
    hub: Hub, models: list[Repository], tmp_path: Path
) -> None:
    service = InferenceService(tmp_path, max_waiting=3)

    async def run() -> list[BaseException | object]:
        jobs = [service.scores(hub, models[0], ONE) for _ in range(5)]
        return list(await asyncio.gather(*jobs, return_exceptions=True))

    results = asyncio.run(run())
    assert sum(isinstance(result, BusyError) for result in results) == 2
    assert sum(isinstance(result, list) for result in results) == 3
    service.close()


def test_a_request_that_takes_too_long_is_given_up_and_the_next_is_served(
    hub: Hub, models: list[Repository], tmp_path: Path
) -> None:
    service = InferenceService(tmp_path, timeout=0.001)

    async def run() -> int:
        with pytest.raises(BusyError, match="gave no answer within"):
            await service.scores(hub, models[0], ONE)
        service.timeout = 60.0
        return len(await service.scores(hub, models[0], ONE))

    assert asyncio.run(run()) == 1
    assert service.loaded == 1
    service.close()


def test_only_whole_checkouts_are_left_behind(
    hub: Hub, models: list[Repository], tmp_path: Path
) -> None:
    service = InferenceService(tmp_path)
    ask(service, hub, models[0])
    (folder,) = tmp_path.iterdir()
    assert folder.name.startswith(f"{models[0].id}-")
    assert {path.name for path in folder.iterdir()} >= {"config.json", "model.safetensors"}


def test_texts_that_a_tokenizer_blows_up_are_refused(
    garden: Garden, hub: Hub, tmp_path: Path
) -> None:
    """Six steps that each write a hundred letters for one: a thousand letters become gigabytes."""
    Tokenizer.from_pretrained(garden.model).save_pretrained(tmp_path / "saved")
    files = contents(garden.model) | contents(tmp_path / "saved")
    tokenizer = json.loads(files["tokenizer.json"])
    step = {"type": "Replace", "pattern": {"String": "a"}, "content": "a" * 100}
    tokenizer["normalizer"] = {"type": "Sequence", "normalizers": [step] * 6}
    garden.push(f"{OWNER}/growing", {**files, "tokenizer.json": json.dumps(tokenizer).encode()})
    model = repos.find(hub, Kind.MODEL, OWNER, "growing", None)
    service = InferenceService(tmp_path / "cache")
    with pytest.raises(BadContentError, match="could make 1000000000000000 bytes"):
        asyncio.run(service.scores(hub, model, Questions((Question("a" * 1000),))))
    service.close()


def test_pickles_are_not_opened(garden: Garden, hub: Hub, tmp_path: Path) -> None:
    files = {n: data for n, data in contents(garden.model).items() if not n.endswith("tensors")}
    garden.push(f"{OWNER}/pickled", {**files, "pytorch_model.bin": b"\x80\x02}q\x00."})
    model = repos.find(hub, Kind.MODEL, OWNER, "pickled", None)
    service = InferenceService(tmp_path)
    with pytest.raises(BadContentError, match="no weights to run"):
        asyncio.run(service.scores(hub, model, ONE))
    service.close()
