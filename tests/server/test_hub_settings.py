"""Settings, and a data folder that outlives its Hub."""

from pathlib import Path

import httpx
import pytest

from graft.errors import HubError
from graft.server.hub import Hub
from graft.server.running import RunningHub
from graft.server.settings import Settings


def test_settings_come_from_the_environment() -> None:
    environment = {
        "GRAFT_DATA_FOLDER": "/srv/graft",
        "GRAFT_PORT": "99",
        "GRAFT_ALLOW_SIGN_UP": "yes",
        "GRAFT_PUBLIC_URL": "https://hub.example/",
        "OTHER": "ignored",
    }
    settings = Settings.from_environment(environment)
    assert settings.data_folder == Path("/srv/graft")
    assert settings.port == 99
    assert settings.allow_sign_up is True
    assert settings.public_url == "https://hub.example"
    assert settings.database_url == "sqlite:////srv/graft/hub.sqlite3"
    assert Settings.from_environment(environment, port=7, host=None).port == 7


@pytest.mark.parametrize(
    ("name", "value"), [("GRAFT_PORT", "eighty"), ("GRAFT_ALLOW_SIGN_UP", "maybe")]
)
def test_settings_that_cannot_be_read_are_named(name: str, value: str) -> None:
    with pytest.raises(HubError, match=name):
        Settings.from_environment({name: value})


def test_addresses_that_cannot_be_used_are_named(tmp_path: Path) -> None:
    with pytest.raises(HubError, match="GRAFT_DATABASE_URL"):
        Hub(Settings(data_folder=tmp_path, database_url="oracle://somewhere"))
    with pytest.raises(HubError, match="carrier-pigeon"):
        Hub(Settings(data_folder=tmp_path, storage_url="carrier-pigeon://coop"))


def test_everything_is_still_there_after_a_restart(tmp_path: Path) -> None:
    with RunningHub(tmp_path) as hub:
        headers = {"Authorization": f"Bearer {hub.add_user('ada')}"}
        made = httpx.post(f"{hub.url}/api/repos/create", json={"name": "kept"}, headers=headers)
        assert made.status_code == 200
    with RunningHub(tmp_path) as again:
        info = httpx.get(f"{again.url}/api/models/ada/kept", headers=headers).json()
        assert info["siblings"] == [{"rfilename": ".gitattributes"}]


def test_addresses_in_answers_are_the_public_ones(tmp_path: Path) -> None:
    with RunningHub(tmp_path, public_url="https://hub.example") as hub:
        headers = {"Authorization": f"Bearer {hub.add_user('ada')}"}
        made = httpx.post(f"{hub.url}/api/repos/create", json={"name": "kept"}, headers=headers)
        assert made.json()["url"] == "https://hub.example/ada/kept"


def test_objects_may_lie_elsewhere(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    hub = Hub(Settings(data_folder=tmp_path / "data", storage_url=elsewhere.as_uri()))
    assert hub.objects.size("0" * 64) is None
    hub.close()
