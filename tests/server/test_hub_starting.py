"""What a Hub says before it serves, to whoever set it up."""

import os
import resource
import stat
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from backends import environment_of
from graft.errors import HubError
from graft.server.hub import Hub
from graft.server.runtime.starting import ask_for_files, check_folder, check_programs, warnings
from graft.server.settings import Settings

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files to others")


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    made = Settings(data_folder=tmp_path / "hub")
    Hub(made).close()
    return made


def told(settings: Settings, port: int = 8080) -> list[str]:
    return list(warnings(settings, port))


def test_a_hub_that_is_as_it_should_be_is_told_nothing(settings: Settings) -> None:
    settings.data_folder.chmod(0o750)
    check_folder(settings)
    assert told(settings) == []


def test_a_machine_without_git_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    check_programs()
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(HubError, match="git"):
        check_programs()


@pytest.mark.parametrize("version", ["git version 2.37.9", "git version 1.99", "a shell's joke"])
def test_a_git_that_is_too_old_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: str
) -> None:
    program = tmp_path / "git"
    program.write_text(f'#!/bin/sh\necho "{version}"\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    with pytest.raises(HubError, match=f"2.38 or newer; {program} says .{version}"):
        check_programs()


@as_root
def test_root_does_not_write_into_the_folder_of_another(settings: Settings) -> None:
    os.chown(settings.data_folder, 65534, -1)
    with pytest.raises(HubError, match=f"{settings.data_folder} belongs to the user .*sudo"):
        check_folder(settings)


@as_root
@pytest.mark.parametrize(
    ("name", "data", "said"),
    [
        ("repositories", ".", "chown"),
        ("hub.sqlite3", ".", "chown"),
        ("closed", "closed/hub", "--data"),
    ],
)
def test_what_cannot_be_written_to_is_named(name: str, data: str, said: str) -> None:
    with TemporaryDirectory(dir="/tmp") as folder:  # pytest's own are closed to others
        Path(folder).chmod(0o777)
        path = Path(folder, name)
        path.mkdir(mode=0o700)
        settings = Settings(data_folder=Path(folder, data))
        child = os.fork()
        if child == 0:  # a process that is not root any more
            status = 1
            try:
                os.setuid(65534)
                check_folder(settings)
            except HubError as error:
                status = 0 if str(path) in str(error) and said in str(error) else 2
            finally:
                os._exit(status)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_what_a_hub_writes_is_not_for_everybody_on_the_machine(tmp_path: Path) -> None:
    command = "from graft.cli import main; main()", "hub", "user", "add", "ada"
    settings = Settings(data_folder=tmp_path / "hub")
    subprocess.run(
        [sys.executable, "-c", *command, "--data", str(tmp_path / "hub")],
        env=os.environ | environment_of(settings),
        check=True,
        capture_output=True,
        umask=0o022,
    )
    made = [tmp_path / "hub", *(tmp_path / "hub").rglob("*")]
    assert not [path for path in made if path.stat().st_mode & stat.S_IRWXO]


def test_a_folder_that_everybody_may_read_is_told(settings: Settings) -> None:
    database = settings.data_folder / "hub.sqlite3"
    database.touch()
    database.chmod(0o644)
    settings.data_folder.chmod(0o755)
    (text,) = told(settings)
    assert f"chmod o-rwx {settings.data_folder}" in text


def test_too_few_files_are_told_and_enough_are_asked_for(tmp_path: Path) -> None:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (700, before[1]))
        assert list(ask_for_files(Settings(data_folder=tmp_path, max_connections=200))) == []
        assert resource.getrlimit(resource.RLIMIT_NOFILE) == (900, before[1])
        (text,) = ask_for_files(Settings(data_folder=tmp_path, max_connections=10**9))
        assert "GRAFT_MAX_CONNECTIONS=1000000000" in text
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


def test_too_little_space_is_told(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    (text,) = told(Settings(data_folder=tmp_path, min_free_bytes=2**60))
    assert "GRAFT_MIN_FREE_BYTES" in text
    assert str(tmp_path) in text


@pytest.mark.parametrize(
    ("upstream", "public", "itself"),
    [
        ("http://127.0.0.1:8080", "", True),
        ("http://localhost:8080", "https://hub.example", True),
        ("https://hub.example", "https://hub.example:443/", True),
        ("http://127.0.0.1:8081", "", False),
        ("https://other.example", "https://hub.example", False),
    ],
)
def test_a_hub_that_mirrors_itself_is_told(
    tmp_path: Path, upstream: str, public: str, itself: bool
) -> None:
    tmp_path.chmod(0o700)
    found = told(Settings(data_folder=tmp_path, upstream=upstream, public_url=public))
    assert ["GRAFT_UPSTREAM" in text for text in found] == [True] * itself
