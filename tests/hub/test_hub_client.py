"""The user's side against a real Hub: push, fetch, find, delete, and every refusal."""

import logging
import random
import socket
import threading
import tracemalloc
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from huggingface_hub import HfApi, constants
from people import User

from graft.errors import CardError, HubError
from graft.hub.client import (
    delete_repository,
    hub_endpoint,
    local_folder,
    push_folder,
    search_datasets,
    search_models,
)
from graft.server.running import RunningHub


def contents(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


@pytest.fixture
def nobody(monkeypatch: pytest.MonkeyPatch) -> str:
    """The address of a port where nothing listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{probe.getsockname()[1]}"
    monkeypatch.setenv("HF_ENDPOINT", address)
    return address


@pytest.fixture
def not_a_hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A web server that answers every request with the same page."""

    class Page(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"<html>welcome</html>")

        def do_HEAD(self) -> None:
            self.do_GET()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            pass

    server = HTTPServer(("127.0.0.1", 0), Page)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    address = f"http://127.0.0.1:{server.server_port}"
    monkeypatch.setenv("HF_ENDPOINT", address)
    yield address
    server.shutdown()
    server.server_close()


class TestPush:
    def test_all_files_arrive_in_one_commit(self, user: User, folder: Path) -> None:
        address = push_folder(folder, user.repo(), message="First version")

        assert address == f"{user.url}/{user.repo()}"
        assert contents(folder).items() <= contents(local_folder(user.repo())).items()
        titles = [
            commit.title for commit in HfApi(endpoint=user.url).list_repo_commits(user.repo())
        ]
        assert titles.count("First version") == 1
        assert len(titles) <= 2  # the repository's own first commit, and ours

    def test_large_files_go_to_the_store(self, user: User, folder: Path) -> None:
        push_folder(folder, user.repo(), message="x")

        (weights,) = HfApi(endpoint=user.url).get_paths_info(user.repo(), "model.safetensors")
        assert weights.lfs is not None
        assert weights.lfs.size == (folder / "model.safetensors").stat().st_size

    def test_a_large_file_is_streamed(self, user: User, folder: Path) -> None:
        size = 64 * 1024**2
        with (folder / "model.safetensors").open("wb") as file:
            file.truncate(size)

        tracemalloc.start()
        try:
            push_folder(folder, user.repo(), message="x")
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()

        assert peak < size / 4

    def test_what_the_hub_says_of_a_file_it_does_not_take_reaches_the_user(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        weights = folder / "model.safetensors"
        weights.write_bytes(random.randbytes(2_000_000))
        with RunningHub(tmp_path / "small", max_object_bytes=1_000_000) as hub:
            monkeypatch.setenv("HF_TOKEN", hub.add_user("eve"))
            monkeypatch.setenv("HF_ENDPOINT", hub.url)
            with pytest.raises(HubError, match=r"cannot push to model 'eve/x': .*2000000 bytes"):
                push_folder(folder, "eve/x", message="x")
            assert "model.safetensors" not in HfApi(endpoint=hub.url).list_repo_files("eve/x")

    def test_a_data_set_has_its_own_page(self, user: User, folder: Path) -> None:
        address = push_folder(folder, user.repo(), repo_type="dataset", message="x")

        assert address == f"{user.url}/datasets/{user.repo()}"
        fetched = local_folder(user.repo(), repo_type="dataset")
        assert contents(folder).items() <= contents(fetched).items()

    def test_a_bare_name_is_ones_own(self, user: User, folder: Path) -> None:
        assert push_folder(folder, "mine", message="x") == f"{user.url}/{user.name}/mine"

    def test_a_second_push_changes_what_differs_and_keeps_the_rest(
        self, user: User, folder: Path
    ) -> None:
        push_folder(folder, user.repo(), message="one")
        (folder / "config.json").write_text("{}")
        (folder / "sub" / "notes.txt").unlink()

        push_folder(folder, user.repo(), message="two")

        there = contents(local_folder(user.repo()))
        assert there["config.json"] == b"{}"
        assert there["sub/notes.txt"] == b"notes"

    def test_files_of_a_pattern_are_replaced_as_a_whole(self, user: User, folder: Path) -> None:
        for name in ("train-00000-of-00002.csv", "train-00001-of-00002.csv"):
            (folder / name).write_text("text,label\n")
        push_folder(folder, user.repo(), repo_type="dataset", message="two shards")
        for shard in folder.glob("*.csv"):
            shard.unlink()
        (folder / "train.csv").write_text("text,label\n")

        push_folder(folder, user.repo(), repo_type="dataset", message="one", replace=["*.csv"])

        fetched = local_folder(user.repo(), repo_type="dataset")
        assert [path.name for path in fetched.glob("*.csv")] == ["train.csv"]
        assert (fetched / "config.json").exists()

    def test_caches_and_version_control_stay_home(self, user: User, folder: Path) -> None:
        for name in (".git/config", "__pycache__/x.pyc", ".cache/y"):
            (folder / name).parent.mkdir()
            (folder / name).write_text("x")

        push_folder(folder, user.repo(), message="x")

        there = contents(local_folder(user.repo()))
        assert not [name for name in there if name.startswith((".git/", "__pycache__", ".cache"))]

    def test_a_private_repository_is_the_owners(
        self, user: User, stranger: User, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        push_folder(folder, user.repo(), private=True, message="x")

        assert local_folder(user.repo()).is_dir()
        monkeypatch.setenv("HF_TOKEN", stranger.token)
        with pytest.raises(HubError, match=r"no such repository.*private.*graft whoami"):
            local_folder(user.repo())

    def test_a_broken_card_is_refused_before_anything_is_sent(
        self, user: User, folder: Path
    ) -> None:
        (folder / "README.md").write_text("---\nlicense: mit\nlanguage: [en\n---\n")

        with pytest.raises(CardError, match=r"README\.md, line 4"):
            push_folder(folder, user.repo(), message="x")
        with pytest.raises(HubError, match=r"no such repository"):
            local_folder(user.repo())

    def test_someone_elses_repository_is_refused(
        self, user: User, stranger: User, folder: Path
    ) -> None:
        with pytest.raises(HubError, match=f"push to model '{stranger.name}/thing'") as error:
            push_folder(folder, stranger.repo(), message="x")
        assert user.url in str(error.value)

    def test_a_push_without_a_token_says_to_log_in(
        self, user: User, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.delenv("HF_TOKEN")
        with pytest.raises(HubError, match=r"you are not logged in.*graft login"):
            push_folder(folder, user.repo(), message="x")

    def test_a_foreign_token_says_to_log_in(
        self, user: User, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("HF_TOKEN", "hf_from_elsewhere")
        with pytest.raises(HubError, match=r"does not accept your token.*graft login"):
            push_folder(folder, user.repo(), message="x")

    def test_an_empty_or_missing_folder_is_refused(self, tmp_path: Path) -> None:
        (tmp_path / "empty").mkdir()
        with pytest.raises(HubError, match=r"holds no files"):
            push_folder(tmp_path / "empty", "me/x", message="x")
        with pytest.raises(HubError, match=r"is not a folder"):
            push_folder(tmp_path / "missing", "me/x", message="x")

    @pytest.mark.usefixtures("nobody")
    @pytest.mark.parametrize(
        "name", ["me/../x", "../x", "a/b/c", "me/", "/x", "me/x.git", "me/a b", "me/x--y", ""]
    )
    def test_an_impossible_name_is_refused_before_any_request(
        self, folder: Path, name: str
    ) -> None:
        with pytest.raises(HubError, match=r"cannot be the id of a repository.*owner/name"):
            push_folder(folder, name, message="x")
        with pytest.raises(HubError, match=r"cannot be the id of a repository"):
            delete_repository(name)


class TestFetch:
    @pytest.mark.usefixtures("nobody")
    def test_a_folder_is_itself(self, tmp_path: Path) -> None:
        assert local_folder(tmp_path) == tmp_path
        assert local_folder(str(tmp_path)) == tmp_path

    def test_only_the_wanted_files(self, user: User, folder: Path) -> None:
        push_folder(folder, user.repo(), message="x")
        assert list(contents(local_folder(user.repo(), patterns=["*.json"]))) == ["config.json"]

    def test_a_revision(self, user: User, folder: Path) -> None:
        push_folder(folder, user.repo(), message="one")
        HfApi(endpoint=user.url).create_tag(user.repo(), tag="v1")
        (folder / "config.json").write_text("{}")
        push_folder(folder, user.repo(), message="two")

        assert contents(local_folder(user.repo(), revision="v1"))["config.json"] != b"{}"
        assert contents(local_folder(user.repo()))["config.json"] == b"{}"
        with pytest.raises(HubError, match=r"\(revision v9\).*no branch, tag or commit"):
            local_folder(user.repo(), revision="v9")

    def test_an_unknown_repository_names_both_places_looked_in(self, user: User) -> None:
        with pytest.raises(HubError) as error:
            local_folder(user.repo("missing"))
        message = str(error.value)
        assert f"model '{user.repo('missing')}' (there is no folder of that name)" in message
        assert f"no such repository at {user.url}" in message

    @pytest.mark.usefixtures("nobody")
    @pytest.mark.parametrize("source", ["./no/such/folder", "a/b/c", "x/..", "what is this"])
    def test_what_can_be_neither_folder_nor_id(self, source: str) -> None:
        with pytest.raises(
            HubError, match=r"neither a folder that exists nor a possible repository id.*owner/name"
        ):
            local_folder(source, repo_type="dataset")

    def test_a_file_is_refused(self, tmp_path: Path) -> None:
        file = tmp_path / "model.safetensors"
        file.write_bytes(b"x")
        with pytest.raises(HubError, match=r"is a file"):
            local_folder(file)

    def test_the_cache_serves_when_the_hub_is_gone(
        self,
        user: User,
        folder: Path,
        monkeypatch: pytest.MonkeyPatch,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        push_folder(folder, user.repo(), message="x")
        fetched = local_folder(user.repo())
        monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")

        with caplog.at_level(logging.WARNING, logger="graft"):
            assert local_folder(user.repo()) == fetched

        (said,) = [r.getMessage() for r in caplog.records if r.name.startswith("graft")]
        assert said.startswith(f"Using the cached copy of {user.repo()}: no hub can be reached")
        assert "\n" not in said

    def test_a_partial_copy_in_the_cache_is_not_taken_for_all(
        self, user: User, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        push_folder(folder, user.repo(), message="x")
        local_folder(user.repo(), patterns=["*.json"])
        monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")

        assert local_folder(user.repo(), patterns=["*.json"]).is_dir()
        with pytest.raises(HubError, match=r"only a part of it is in the cache"):
            local_folder(user.repo())

    def test_offline_uses_the_cache_without_a_word(
        self,
        user: User,
        folder: Path,
        monkeypatch: pytest.MonkeyPatch,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        push_folder(folder, user.repo(), message="x")
        fetched = local_folder(user.repo())
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)

        assert local_folder(user.repo()) == fetched
        assert not [r for r in caplog.records if r.name.startswith("graft")]
        with pytest.raises(HubError, match=r"not in the cache.*HF_HUB_OFFLINE is set"):
            local_folder(user.repo("other"))
        with pytest.raises(HubError, match=r"HF_HUB_OFFLINE is set"):
            search_models("x")


class TestSearch:
    def test_models_are_found_by_words_task_language_and_data_set(
        self, user: User, folder: Path
    ) -> None:
        (folder / "README.md").write_text(
            "---\npipeline_tag: text-classification\nlanguage: sw\nlicense: mit\n"
            "library_name: graft\ndatasets:\n- someone/swahili-news\n---\n# Habari\n"
        )
        repo = user.repo("habari-sorter")
        push_folder(folder, repo, message="x")

        for found in (
            search_models("habari", author=user.name),
            search_models(task="text-classification", author=user.name),
            search_models(language="sw", author=user.name),
            search_models(dataset="someone/swahili-news", author=user.name),
            search_models(library="graft", author=user.name),
        ):
            assert [item.id for item in found] == [repo]
        (item,) = found
        assert item.tasks == ["text-classification"]
        assert item.languages == ["sw"]
        assert item.license == "mit"
        assert item.library == "graft"
        assert item.datasets == ["someone/swahili-news"]
        assert item.url == f"{user.url}/{repo}"
        assert item.updated is not None
        assert not item.private
        assert search_models(language="fr", author=user.name) == []
        assert search_models("nothingofthename", author=user.name) == []

    def test_data_sets_are_found_by_words_task_and_language(self, user: User, folder: Path) -> None:
        (folder / "README.md").write_text(
            "---\nlanguage: sw\nlicense: mit\ntask_categories:\n- text-classification\n---\n"
        )
        repo = user.repo("habari-news")
        push_folder(folder, repo, repo_type="dataset", message="x")

        for found in (
            search_datasets("habari", author=user.name),
            search_datasets(task="text-classification", author=user.name),
            search_datasets(language="sw", author=user.name),
        ):
            assert [item.id for item in found] == [repo]
        assert found[0].tasks == ["text-classification"]
        assert found[0].languages == ["sw"]
        assert found[0].url == f"{user.url}/datasets/{repo}"
        assert search_datasets(language="fr", author=user.name) == []

    def test_a_limit_is_kept(self, user: User, folder: Path) -> None:
        for number in range(3):
            push_folder(folder, user.repo(f"m{number}"), message="x")
        assert len(search_models(author=user.name, limit=2)) == 2


class TestDelete:
    def test_what_is_deleted_is_gone(self, user: User, folder: Path) -> None:
        push_folder(folder, user.repo(), message="x")
        delete_repository(user.repo())
        with pytest.raises(HubError, match=r"no such repository"):
            local_folder(user.repo())
        with pytest.raises(HubError, match=f"cannot delete model '{user.repo()}'"):
            delete_repository(user.repo())


class TestNoHub:
    def test_an_address_where_nobody_answers_is_named_at_once(
        self, nobody: str, folder: Path
    ) -> None:
        for call in (
            lambda: local_folder("me/x"),
            lambda: push_folder(folder, "me/x", message="x"),
            lambda: delete_repository("me/x"),
            lambda: search_models("x"),
            lambda: search_datasets("x"),
        ):
            with pytest.raises(HubError, match=f"no hub can be reached at {nobody}.*HF_ENDPOINT"):
                call()

    def test_a_server_that_is_no_hub_is_named(self, not_a_hub: str) -> None:
        for call in (lambda: local_folder("me/x"), lambda: search_models("x")):
            with pytest.raises(HubError, match=f"{not_a_hub} does not answer as a hub does"):
                call()

    @pytest.mark.parametrize("address", ["127.0.0.1:8000", "localhost", "ftp://x", "http://"])
    def test_an_address_that_is_none_is_refused(
        self, monkeypatch: pytest.MonkeyPatch, address: str
    ) -> None:
        monkeypatch.setenv("HF_ENDPOINT", address)
        with pytest.raises(HubError, match=r"not the address of a hub.*http://127"):
            hub_endpoint()

    def test_the_endpoint_is_read_at_the_time_of_the_call(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("HF_ENDPOINT", "http://one.example/")
        assert hub_endpoint() == "http://one.example"
        monkeypatch.setenv("HF_ENDPOINT", "https://two.example")
        assert hub_endpoint() == "https://two.example"
        monkeypatch.delenv("HF_ENDPOINT")
        assert hub_endpoint() == constants.ENDPOINT
