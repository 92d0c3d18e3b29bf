"""Logging in: the token is checked, kept for every tool, and readable by its owner only."""

import stat
from pathlib import Path

import pytest
from huggingface_hub import HfApi, get_token
from people import User

from graft.errors import HubError
from graft.hub.client import login, whoami


def test_a_good_token_is_kept_where_other_tools_find_it(
    stranger: User, own_store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_ENDPOINT", stranger.url)

    account = login(f" {stranger.token}\n")

    assert (account.name, account.endpoint) == (stranger.name, stranger.url)
    assert account.role == "write"
    assert get_token() == stranger.token
    assert HfApi(endpoint=stranger.url).whoami()["name"] == stranger.name
    assert whoami() == account
    for name in ("token", "stored_tokens"):
        assert stat.S_IMODE((own_store / name).stat().st_mode) == 0o600


def test_logging_in_to_a_named_hub(stranger: User) -> None:
    assert login(stranger.token, endpoint=stranger.url + "/").endpoint == stranger.url


def test_a_bad_token_is_refused_and_not_kept(user: User, own_store: Path) -> None:
    for token in ("hf_from_elsewhere", "nonsense"):
        with pytest.raises(HubError, match=r"does not accept your token"):
            login(token)
    assert not own_store.exists() or not list(own_store.glob("*token*"))


@pytest.mark.parametrize("token", ["", "  \n"])
def test_no_token_is_said_so(token: str) -> None:
    with pytest.raises(HubError, match=r"no token was given"):
        login(token)


def test_without_a_terminal_a_token_is_not_asked_for() -> None:
    with pytest.raises(HubError, match=r"no terminal to ask for it.*HF_TOKEN"):
        login()


def test_nobody_is_told_to_log_in(user: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HF_TOKEN")
    with pytest.raises(HubError, match=r"you are not logged in. Log in with `graft login`"):
        whoami()


def test_a_token_in_the_environment_wins_and_is_said_to(
    user: User,
    stranger: User,
    caplog: pytest.LogCaptureFixture,
) -> None:
    login(stranger.token)
    assert "HF_TOKEN is set to another token" in caplog.text
    assert whoami().name == user.name


def test_earlier_tokens_stay_in_the_store(
    user: User, stranger: User, own_store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("HF_TOKEN")
    (own_store).mkdir()
    (own_store / "stored_tokens").write_text("[elsewhere]\nhf_token = hf_elsewhere\n")

    login(stranger.token)

    text = (own_store / "stored_tokens").read_text()
    assert "hf_elsewhere" in text
    assert stranger.token in text


def test_a_damaged_store_is_named(stranger: User, own_store: Path) -> None:
    own_store.mkdir()
    (own_store / "stored_tokens").write_text("no section\n")
    with pytest.raises(HubError, match=r"stored tokens in .*stored_tokens cannot be read"):
        login(stranger.token, endpoint=stranger.url)
    assert not (own_store / "token").exists()
