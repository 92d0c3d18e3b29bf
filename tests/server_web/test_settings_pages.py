"""The page of a repository's settings: names, visibility, the gate, branches, deletion."""

from collections.abc import Callable

import httpx
import pytest
from huggingface_hub import HfApi
from huggingface_hub.errors import RepositoryNotFoundError

Browser = Callable[[str], httpx.Client]


def test_only_who_looks_after_a_repository_is_led_to_its_settings(
    browser: Browser, api: HfApi
) -> None:
    api.create_repo("ada/shown")
    for page in ("", "/tree/main", "/commits/main", "/discussions"):
        assert 'href="/ada/shown/settings"' in browser("ada").get(f"/ada/shown{page}").text
    bob = browser("bob")
    assert "/ada/shown/settings" not in bob.get("/ada/shown").text
    assert bob.get("/ada/shown/settings").status_code == 403
    assert bob.post("/ada/shown/settings", data={"visibility": "private"}).status_code == 403
    assert bob.post("/ada/shown/settings/move", data={"new_name": "mine"}).status_code == 403
    sure = {"confirm": "ada/shown"}
    assert bob.post("/ada/shown/settings/delete", data=sure).status_code == 403
    assert not api.model_info("ada/shown").private
    asked = browser("").get("/ada/shown/settings").url
    assert (asked.path, asked.params["next_page"]) == ("/login", "/ada/shown/settings")


def test_settings_say_how_a_repository_is_and_change_it(browser: Browser, api: HfApi) -> None:
    api.create_repo("ada/changed", repo_type="dataset")
    ada = browser("ada")
    page = "/datasets/ada/changed/settings"
    chosen = {"visibility": "private", "gate": "manual", "protected": "main release/*"}
    shown = ada.post(page, data=chosen).text
    assert 'value="private" checked' in shown
    assert 'value="manual" checked' in shown
    assert 'value="main release/*"' in shown
    found = api.dataset_info("ada/changed")
    assert (found.private, found.gated) == (True, "manual")
    for place in ("/datasets/ada/changed", "/datasets"):
        assert "Gated" in ada.get(place).text
    assert "two..dots" in ada.post(page, data={"protected": "two..dots"}).text
    opened = {"visibility": "public", "gate": "no", "protected": ""}
    assert 'name="protected" value=""' in ada.post(page, data=opened).text
    found = api.dataset_info("ada/changed")
    assert (found.private, found.gated) == (False, False)


def test_a_repository_gets_another_name_and_owner(browser: Browser, api: HfApi) -> None:
    api.create_repo("ada/first-name")
    ada = browser("ada")
    answer = ada.post("/ada/first-name/settings/move", data={"new_name": "no/slash"})
    assert answer.status_code == 400
    assert "slash" in answer.text
    moved = {"new_owner": "lab", "new_name": "second-name"}
    answer = ada.post("/ada/first-name/settings/move", data=moved)
    assert str(answer.url).endswith("/lab/second-name")
    assert api.model_info("ada/first-name").id == "lab/second-name"


def test_a_repository_is_deleted_once_its_name_is_typed(browser: Browser, api: HfApi) -> None:
    api.create_repo("ada/unwanted")
    ada = browser("ada")
    answer = ada.post("/ada/unwanted/settings/delete", data={"confirm": "unwanted"})
    assert (answer.status_code, "Nothing was deleted" in answer.text) == (400, True)
    assert api.repo_exists("ada/unwanted")
    answer = ada.post("/ada/unwanted/settings/delete", data={"confirm": "ada/unwanted"})
    assert str(answer.url).endswith("/ada")
    with pytest.raises(RepositoryNotFoundError):
        api.model_info("ada/unwanted")
