"""Folders of many files, and uploads that break off in the middle."""

import hashlib
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from customer import Customer
from forwarder import Forwarder

from graft.server.running import RunningHub

FILES = 2000
# Of each of four files whose upload breaks off, and how much of all of them comes before that.
SIZE, BEFORE = 10_000_000, 5_000_000

UPLOAD = """
import os
from huggingface_hub import HfApi

api = HfApi()
api.create_repo(os.environ["REPO"], exist_ok=True)
api.upload_folder(repo_id=os.environ["REPO"], folder_path=os.environ["FOLDER"])
"""

DOWNLOAD = """
import os
from huggingface_hub import snapshot_download

print(snapshot_download(os.environ["REPO"]))
"""


def hashes(folder: Path) -> dict[str, str]:
    """The hash of every file below a folder, hidden ones left out."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file() and not path.name.startswith(".")
    }


def test_two_thousand_small_files(
    eve: Customer, python: Callable[..., str], way: dict[str, str], tmp_path: Path
) -> None:
    folder = tmp_path / "folder"
    for number in range(FILES):
        suffix = "bin" if number % 20 == 0 else "txt"
        path = folder / f"part-{number % 40}" / f"{number}.{suffix}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(f"file {number}\n".encode() * (number % 50 + 1))
    repo = f"{eve.name}/many"
    variables = {"REPO": repo, "HF_TOKEN": eve.token} | way
    python(UPLOAD, FOLDER=str(folder), **variables)
    assert len(eve.api.list_repo_files(repo)) == FILES + 1
    back = python(DOWNLOAD, **variables).strip()
    assert hashes(Path(back)) == hashes(folder)


def test_an_upload_that_breaks_off_is_taken_up_again(
    hub: RunningHub,
    eve: Customer,
    outside: dict[str, str],
    python: Callable[..., str],
    way: dict[str, str],
    tmp_path: Path,
) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    for number in range(4):
        (folder / f"{number}.bin").write_bytes(os.urandom(SIZE))
    repo = f"{eve.name}/broken-off"
    eve.api.create_repo(repo)
    before = eve.api.model_info(repo).sha
    variables = {"REPO": repo, "HF_TOKEN": eve.token, "FOLDER": str(folder)} | way
    with Forwarder(hub.port, BEFORE) as forwarder:
        variables["HF_ENDPOINT"] = forwarder.url
        sender = subprocess.Popen([sys.executable, "-c", UPLOAD], env=outside | variables)
        assert forwarder.held.wait(60), "the beginning of the upload did not come"
        sender.send_signal(signal.SIGKILL)
        sender.wait()
        forwarder.release()
        assert eve.api.model_info(repo).sha == before  # nothing of it is to be seen
        assert eve.api.list_repo_files(repo) == [".gitattributes"]

        python(UPLOAD, **variables)
        back = python(DOWNLOAD, **variables).strip()
    assert hashes(Path(back)) == hashes(folder)
