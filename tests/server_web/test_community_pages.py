"""Pages of collections and webhooks, and the buttons that like and follow, without scripts."""

import re
from collections.abc import Callable

import httpx
import pytest
from huggingface_hub import HfApi

Browser = Callable[[str], httpx.Client]


@pytest.fixture(scope="session", autouse=True)
def repositories(api: HfApi) -> None:
    """A model and a data set of Ada's."""
    api.create_repo("ada/model")
    api.create_repo("ada/data", repo_type="dataset")


def test_liking_a_model(browser: Browser, api: HfApi) -> None:
    bob = browser("bob")
    assert "0 likes" in bob.get("/ada/model").text
    liked = bob.post("/ada/model/like", data={"like": "yes"})
    assert liked.url.path == "/ada/model"
    assert "1 like<" in liked.text
    assert "Like no longer" in liked.text
    assert "Like no longer" not in browser("ada").get("/ada/model").text
    assert "1 like" in bob.get("/models").text
    assert "0 likes" in bob.post("/ada/model/like", data={"like": "no"}).text
    assert "1 like<" in bob.post("/datasets/ada/data/like").text
    assert browser("").post("/ada/model/like").url.path == "/login"
    assert api.model_info("ada/model").likes == 0


def test_following_somebody(browser: Browser, api: HfApi) -> None:
    bob = browser("bob")
    assert "Follow no longer" in bob.post("/ada/-/follow").text
    assert [person.username for person in api.list_user_followers("ada")] == ["bob"]
    assert "Follow no longer" not in bob.post("/ada/-/follow", data={"follow": "no"}).text
    assert "/ada/-/follow" not in browser("ada").get("/ada").text
    assert bob.post("/nobody-here/-/follow").status_code == 404


def test_a_collection_from_beginning_to_end(browser: Browser, api: HfApi) -> None:
    ada, bob = browser("ada"), browser("bob")
    form = {"title": "Cool <i>things</i>", "description": "I use these"}
    made = ada.post("/collections", data=form)
    path = made.url.path
    assert path.startswith("/collections/ada/cool-i-things-i-")
    assert "Cool &lt;i&gt;things&lt;/i&gt;" in made.text
    again = ada.post("/collections", data=form)
    assert again.status_code == 409
    assert "There is a collection" in again.text

    ada.post(f"{path}/items", data={"item": "ada/model", "kind": "model", "note": "<b>Mine</b>"})
    full = ada.post(f"{path}/items", data={"item": "ada/data", "kind": "dataset"})
    assert "&lt;b&gt;Mine&lt;/b&gt;" in full.text
    missing = ada.post(f"{path}/items", data={"item": "ada/nothing", "kind": "model"})
    assert missing.status_code == 404
    assert "There is no model ada/nothing" in missing.text
    keys = re.findall(rf'action="{path}/items/(\w+)"', full.text)
    ada.post(f"{path}/items/{keys[1]}", data={"position": "0"})
    names = [item.item_id for item in api.get_collection(path.removeprefix("/collections/")).items]
    assert names == ["ada/data", "ada/model"]

    seen = bob.get(path)
    assert "Put something in" not in seen.text
    assert "1 like<" in bob.post(f"{path}/upvote").text
    assert bob.post(f"{path}/items", data={"item": "ada/model"}).status_code == 403
    assert "Cool &lt;i&gt;" in bob.get("/collections?search=cool").text
    assert "Cool &lt;i&gt;" in bob.get("/ada").text

    settings = {"title": "Cooler", "description": "", "visibility": "private"}
    renamed = ada.post(f"{path}/settings", data=settings)
    assert renamed.url.path != path
    assert ada.get(path).url.path == renamed.url.path
    assert bob.get(path).status_code == 404
    assert "Cooler" not in bob.get("/collections").text
    ada.post(f"{renamed.url.path}/items/{keys[0]}", data={"remove": "true"})
    assert "ada/data" in ada.get("/collections").text
    assert ada.post(f"{renamed.url.path}/delete").status_code == 200
    assert ada.get(path).status_code == 404
    assert browser("").post("/collections", data=form).url.path == "/login"


def test_webhooks(browser: Browser, api: HfApi) -> None:
    ada = browser("ada")
    assert "You have no webhooks yet" in ada.get("/settings/webhooks").text
    form = {"url": "http://localhost/in", "watched": "ada", "repo": "true"}
    refused = ada.post("/settings/webhooks", data=form)
    assert refused.status_code == 400
    assert "own network" in refused.text
    form |= {
        "url": "https://hooks.invalid/in",
        "watched": "ada\nada/model\ndatasets/ada/data\norganizations/lab",
        "secret": "between us",
    }
    made = ada.post("/settings/webhooks", data=form)
    [hook] = api.list_webhooks()
    assert made.url.path == f"/settings/webhooks/{hook.id}"
    assert [(item.type, item.name) for item in hook.watched] == [
        ("user", "ada"),
        ("model", "ada/model"),
        ("dataset", "ada/data"),
        ("org", "lab"),
    ]
    assert (hook.domains, hook.secret) == (["repo"], "between us")
    assert "between us" not in made.text
    off = ada.post(f"/settings/webhooks/{hook.id}/state", data={"state": "off"})
    assert "Turn on" in off.text
    assert browser("bob").get(f"/settings/webhooks/{hook.id}").status_code == 404
    assert browser("").get("/settings/webhooks").url.path == "/login"
    ada.post(f"/settings/webhooks/{hook.id}/state", data={"state": "deleted"})
    assert api.list_webhooks() == []


def test_other_sites_cannot_press_the_buttons(browser: Browser, api: HfApi) -> None:
    bob = browser("bob")
    headers = {"Sec-Fetch-Site": "cross-site", "Origin": "https://elsewhere.example"}
    for address in ("/ada/model/like", "/ada/-/follow", "/collections", "/settings/webhooks"):
        assert bob.post(address, headers=headers).status_code == 403
