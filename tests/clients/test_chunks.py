"""What the stock client does not send again, because the Hub has it."""

import os
import random
from collections.abc import Callable
from pathlib import Path

import pytest
from customer import Customer
from sqlalchemy import func, select

from graft.server.db.tables import XorbRow
from graft.server.running import RunningHub

SIZE = 24_000_000
UPLOAD = """
import os
from huggingface_hub import HfApi
api = HfApi()
repo, path = os.environ["REPO"], os.environ["FILE"]
api.create_repo(repo, exist_ok=True, private=bool(os.environ.get("PRIVATE")))
api.upload_file(path_or_fileobj=path, path_in_repo="w.bin", repo_id=repo)
"""
DOWNLOAD = """
import os
from huggingface_hub import hf_hub_download
print(hf_hub_download(os.environ["REPO"], "w.bin"))
"""


def stored(hub: RunningHub) -> int:
    """The bytes of all xorbs."""
    with hub.hub.database.reading() as session:
        return session.scalar(select(func.sum(XorbRow.packed_bytes))) or 0


@pytest.fixture
def send(
    python: Callable[..., str], tmp_path: Path, way: dict[str, str]
) -> Callable[[Customer, str, bytes], str]:
    """Sends a file from a machine that has never sent or fetched any, to a new repository."""
    machines = iter(range(100))

    def upload(who: Customer, name: str, data: bytes, **variables: str) -> str:
        path = tmp_path / f"{name}.bin"
        path.write_bytes(data)
        repo, home = f"{who.name}/{name}", str(tmp_path / f"machine-{next(machines)}")
        given = {"REPO": repo, "FILE": str(path), "HF_TOKEN": who.token, "HF_HOME": home}
        python(UPLOAD, **given, **way, **variables)
        return repo

    return upload


def test_one_percent_changed_is_sent_again_and_little_else(
    hub: RunningHub,
    eve: Customer,
    mallory: Customer,
    send: Callable[..., str],
    python: Callable[..., str],
    tmp_path: Path,
) -> None:
    data = random.Random(eve.name).randbytes(SIZE)
    send(eve, "weights", data)
    before = stored(hub)
    at = SIZE // 2
    changed = data[:at] + os.urandom(SIZE // 100) + data[at + SIZE // 100 :]
    repo = send(mallory, "tuned", changed)
    assert stored(hub) - before < 0.05 * SIZE
    fetched = python(DOWNLOAD, REPO=repo, HF_HOME=str(tmp_path / "fetcher"))
    assert Path(fetched.strip()).read_bytes() == changed


@pytest.mark.parametrize("way", ["xet"], indirect=True)  # only Xet asks what the Hub has
def test_what_is_private_is_not_told_to_others(
    hub: RunningHub, eve: Customer, mallory: Customer, send: Callable[..., str]
) -> None:
    data = random.Random(eve.name).randbytes(3_000_000)
    send(eve, "secret", data, PRIVATE="1")
    before = stored(hub)
    send(mallory, "same", data + b"a little more")
    assert stored(hub) - before > 2_900_000  # all of it was sent
