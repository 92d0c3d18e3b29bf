"""A Hub that was stopped in the middle of a change: all of it is there afterwards, or nothing."""

from pathlib import Path

import httpx
import pygit2
import pytest
import victim
from person import Person, file, large
from sqlalchemy import text
from victim import HAPPENED, POINTS

from graft.server.git import durable
from graft.server.git.durable import sync_all, sync_ref
from graft.server.records import Kind, Repository
from graft.server.repositories import repos
from graft.server.running import RunningHub
from graft.server.upkeep.fsck import check


class Machine:
    """A Hub's data, a Hub that can be started over it, and somebody who uses it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        with RunningHub(folder) as hub:
            self.settings = hub.settings
            self.token = hub.add_user("ada")
            with self.person(hub) as ada:
                self.repo = ada.create("cut-short")
                self.data = b"weights " * 100
                self.sha256 = ada.upload(self.repo, self.data)
                assert ada.commit(self.repo, file("first.txt", "x")).status_code == 200
                self.head = ada.head(self.repo)

    def person(self, hub: RunningHub) -> "Visit":
        return Visit(hub, self.token)

    def stop_at(self, point: str, way: str) -> None:
        """Has a process do something, and be gone at that point."""
        operations = [file("second.txt", "y"), large("w.bin", self.sha256, len(self.data))]
        ended = victim.run(self.settings, self.repo, point, way, operations)
        assert ended == (0 if point == victim.NEVER else victim.STOPPED)


class Visit:
    """A person who is there for a while."""

    def __init__(self, hub: RunningHub, token: str) -> None:
        headers = {"Authorization": f"Bearer {token}"}
        self.person = Person("ada", token, httpx.Client(base_url=hub.url, headers=headers))

    def __enter__(self) -> Person:
        return self.person

    def __exit__(self, *_: object) -> None:
        self.person.http.close()


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path / "hub")


def opened(hub: RunningHub, repo: str) -> tuple[Repository, pygit2.Repository]:
    found = repos.find(hub.hub, Kind.MODEL, *repo.split("/"), None)
    return found, repos.open_git(hub.hub, found)


def assert_sound(hub: RunningHub) -> None:
    report = check(hub.hub, deep=True)
    assert report.is_clean, report.problems
    assert not list(hub.settings.changes_folder.iterdir())


@pytest.mark.parametrize("point", POINTS)
def test_a_commit_is_there_whole_or_not_at_all(machine: Machine, point: str) -> None:
    machine.stop_at(point, "commit")
    with RunningHub(machine.folder) as hub, machine.person(hub) as ada:
        assert_sound(hub)
        if point in HAPPENED:
            assert ada.files(machine.repo) == {"first.txt", "second.txt", "w.bin"}
            assert ada.read(machine.repo, "w.bin") == machine.data
            listed = ada.http.get("/api/models", params={"author": "ada", "expand": "sha"})
            assert listed.json()[0]["sha"] == ada.head(machine.repo) != machine.head
        else:
            assert ada.files(machine.repo) == {"first.txt"}
            assert ada.head(machine.repo) == machine.head
        assert ada.commit(machine.repo, file("third.txt", "z")).status_code == 200
        assert_sound(hub)


def test_what_is_acknowledged_is_on_the_disk_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Objects before the ref that names them, the ref before the tables."""
    happened: list[str] = []
    with RunningHub(tmp_path / "hub") as hub:
        headers = {"Authorization": f"Bearer {hub.add_user('ada')}"}
        with httpx.Client(base_url=hub.url, headers=headers) as http:
            ada = Person("ada", "", http)
            repo = ada.create("kept")
            before = ada.head(repo)

            def all_of(folder: Path) -> None:
                assert ada.head(repo) == before
                at_rest = repos.snapshot(hub.hub, opened(hub, repo)[0]).id
                objects = [path for path in (folder / "objects").glob("??/*") if path.is_file()]
                happened.append(f"{len(objects)} objects, {at_rest == before}")
                sync_all(folder)

            def ref_of(folder: Path, ref: str, *, stays: bool) -> None:
                assert ada.head(repo) == before
                moved = (folder / ref).read_text().strip() != before
                happened.append(f"{ref}, {moved}")
                sync_ref(folder, ref, stays=stays)

            monkeypatch.setattr(durable, "sync_all", all_of)
            monkeypatch.setattr(durable, "sync_ref", ref_of)
            assert ada.commit(repo, file("a.txt", "a")).status_code == 200
            assert ada.head(repo) != before
            with hub.hub.database.writing() as session:
                if hub.hub.database.dialect == "sqlite":
                    assert session.scalar(text("PRAGMA synchronous")) == 2  # FULL
    # Blob, tree and commit, beside those of the first commit.
    assert happened == ["6 objects, True", "refs/heads/main, True"]


@pytest.mark.parametrize("point", POINTS[1:3])
def test_a_hub_that_goes_on_serving_finishes_it_at_the_next_change(
    machine: Machine, point: str
) -> None:
    with RunningHub(machine.folder) as hub, machine.person(hub) as ada:
        machine.stop_at(point, "commit")
        assert ada.commit(machine.repo, file("third.txt", "z")).status_code == 200
        wanted = {"first.txt", "third.txt"}
        if point in HAPPENED:
            wanted |= {"second.txt", "w.bin"}
            assert ada.read(machine.repo, "w.bin") == machine.data
        assert ada.files(machine.repo) == wanted
        assert_sound(hub)


@pytest.mark.parametrize("point", POINTS[1:])
def test_a_pull_request_has_its_ref_and_its_discussion_or_neither(
    machine: Machine, point: str
) -> None:
    machine.stop_at(point, "pull request")
    with RunningHub(machine.folder) as hub, machine.person(hub) as ada:
        address = f"/api/models/{machine.repo}"
        refs = ada.http.get(f"{address}/refs?include_prs=1").json()["pullRequests"]
        number = len(ada.http.get(f"{address}/discussions").json()["discussions"])
        assert len(refs) == number == (1 if point == POINTS[3] else 0)
        assert_sound(hub)
    machine.stop_at(victim.NEVER, "pull request")
    with RunningHub(machine.folder) as hub, machine.person(hub) as ada:
        refs = ada.http.get(f"{address}/refs?include_prs=1").json()["pullRequests"]
        assert [ref["name"] for ref in refs] == [str(n + 1) for n in range(number + 1)]
        assert ada.read(machine.repo, "w.bin", f"refs%2Fpr%2F{number + 1}") == machine.data


@pytest.mark.parametrize("way", ["branch", "squash"])
@pytest.mark.parametrize("point", POINTS[1:3])
def test_other_changes_of_refs_are_finished_too(machine: Machine, way: str, point: str) -> None:
    machine.stop_at(point, way)
    with RunningHub(machine.folder) as hub, machine.person(hub) as ada:
        assert_sound(hub)
        if way == "branch":
            names = [
                r["name"]
                for r in ada.http.get(f"/api/models/{machine.repo}/refs").json()["branches"]
            ]
            assert ("side" in names) == (point in HAPPENED)
        else:
            commits = ada.http.get(f"/api/models/{machine.repo}/commits/main").json()
            assert len(commits) == (1 if point in HAPPENED else 2)
            assert ada.files(machine.repo) == {"first.txt"}


@pytest.mark.parametrize("point", POINTS)
def test_a_pull_request_is_merged_with_its_branch_or_stays_open(
    machine: Machine, point: str
) -> None:
    machine.stop_at(victim.NEVER, "pull request")
    machine.stop_at(point, "merge")
    with RunningHub(machine.folder) as hub, machine.person(hub) as ada:
        assert_sound(hub)
        address = f"/api/models/{machine.repo}/discussions/1"
        found = ada.http.get(address).json()
        if point in HAPPENED:
            assert found["status"] == "merged"
            assert found["changes"]["mergeCommitId"] == ada.head(machine.repo) != machine.head
            changes = [e["data"] for e in found["events"] if e["type"] == "status-change"]
            assert changes == [{"status": "merged"}]
        else:
            assert (found["status"], ada.head(machine.repo)) == ("open", machine.head)
            assert ada.http.post(f"{address}/merge").status_code == 200
        assert ada.files(machine.repo) == {"first.txt", "second.txt", "w.bin"}


def test_a_note_of_a_repository_that_is_gone_does_no_harm(machine: Machine) -> None:
    with RunningHub(machine.folder) as hub:
        (hub.settings.changes_folder / "4711").write_text("[]")
    with RunningHub(machine.folder) as hub:
        assert_sound(hub)


def test_a_damaged_repository_keeps_no_hub_from_starting(machine: Machine) -> None:
    machine.stop_at(POINTS[2], "commit")
    with RunningHub(machine.folder / "nothing"):
        pass
    folder = next((machine.folder / "repositories").glob("*/*.git"))
    (folder / "HEAD").rename(folder / "LOST")
    with RunningHub(machine.folder) as hub, machine.person(hub) as ada:
        assert ada.http.get("/api/models").status_code == 200
    (folder / "LOST").rename(folder / "HEAD")
    with RunningHub(machine.folder) as hub, machine.person(hub) as ada:
        assert ada.files(machine.repo) == {"first.txt", "second.txt", "w.bin"}
        assert_sound(hub)
