"""The front page, the lists with their filters, and the profiles."""

import re
from pathlib import Path

import httpx
import pytest
from huggingface_hub import HfApi

from graft.server.running import RunningHub
from hub_samples import OWNER, Garden


def listed(page: str) -> list[str]:
    """The repositories that a list shows, in its order."""
    found = re.findall(r'<h\d><a href="/([^"]+)"><span class="owner">', page)
    return [str(path) for path in found]


def test_the_front_page_shows_what_is_new(visitor: httpx.Client, garden: Garden) -> None:
    garden.push(f"{OWNER}/newest-model", {"a.txt": b"a"})
    garden.push(f"{OWNER}/newest-data", {"a.txt": b"a"}, "dataset")
    found = listed(visitor.get("/").text)
    assert found[0] == f"{OWNER}/newest-model"
    assert f"datasets/{OWNER}/newest-data" in found


def test_words_and_filters_narrow_the_list(visitor: httpx.Client) -> None:
    every = listed(visitor.get("/models", params={"search": "answer tiny"}).text)
    assert f"{OWNER}/questions-tiny" in every
    every = listed(visitor.get("/models", params={"sort": "name", "author": OWNER}).text)
    assert {f"{OWNER}/questions-tiny", f"{OWNER}/plain-base"} <= set(every)
    wanted = {"filter": "text-classification", "author": OWNER}
    tagged = listed(visitor.get("/models", params=wanted).text)
    assert f"{OWNER}/questions-tiny" in tagged
    assert f"{OWNER}/plain-base" not in tagged
    filters = ["text-classification", "language:en", "license:apache-2.0"]
    several = visitor.get("/models", params={"filter": filters, "search": "pairs"}).text
    assert listed(several) == [f"{OWNER}/pairs-tiny"]
    assert "1 model<" in several


def test_facets_carry_counts_and_links_that_add_and_remove(visitor: httpx.Client) -> None:
    page = visitor.get("/models", params={"author": OWNER}).text
    assert re.search(r'filter=license%3Aapache-2.0"[^>]*><span>apache-2.0</span>', page)
    chosen = visitor.get("/models", params={"filter": "license:apache-2.0"}).text
    assert re.search(r'<a href="/models" aria-current="true"><span>apache-2.0</span>', chosen)


def test_a_list_is_sorted_by_name_and_goes_on(visitor: httpx.Client, garden: Garden) -> None:
    names = [f"many-{number:02}" for number in range(35)]
    api = HfApi(endpoint=garden.url, token=garden.hub.add_user("crowd"))
    for name in names:
        api.create_repo(f"crowd/{name}")
    first = visitor.get("/models", params={"author": "crowd", "sort": "name"})
    (more,) = re.findall(r'href="([^"]+)" rel="next"', first.text)
    second = visitor.get(more.replace("&amp;", "&"))
    found = listed(first.text) + listed(second.text)
    assert found == [f"crowd/{name}" for name in names]


def test_an_empty_list_says_what_to_do(visitor: httpx.Client) -> None:
    page = visitor.get("/models", params={"search": "zzzz<b>"}).text
    assert "Nothing matches" in page
    assert "<strong>zzzz&lt;b&gt;</strong>" in page
    assert "Show all models" in page


@pytest.mark.parametrize(
    "path",
    [
        "/models?search=tiny&filter=language:en&sort=downloads",
        f"/datasets?author={OWNER}",
        f"/{OWNER}",
        f"/{OWNER}/questions-tiny",
        f"/datasets/{OWNER}/questions",
        f"/{OWNER}/questions-tiny/tree/main",
        f"/{OWNER}/questions-tiny/commits/main",
    ],
)
def test_every_page_names_its_json(visitor: httpx.Client, path: str) -> None:
    page = visitor.get(path).text
    (address,) = re.findall(r'type="application/json" href="([^"]+)"', page)
    reply = visitor.get(address.replace("&amp;", "&"))
    assert reply.status_code == 200
    assert reply.json()


def test_a_profile_shows_what_the_reader_may_see(
    visitor: httpx.Client, owner: httpx.Client
) -> None:
    public = listed(visitor.get(f"/{OWNER}").text)
    assert f"{OWNER}/questions-tiny" in public
    assert f"datasets/{OWNER}/questions" in public
    assert f"{OWNER}/secret" not in public
    assert f"{OWNER}/secret" in listed(owner.get(f"/{OWNER}").text)


def test_nobodys_profile_is_a_page_that_says_so(visitor: httpx.Client) -> None:
    reply = visitor.get("/nobody-of-that-name")
    assert reply.status_code == 404
    assert "Nothing grows here" in reply.text
    assert "nobody-of-that-name" in reply.text


def test_a_new_hub_tells_how_to_fill_it(tmp_path: Path) -> None:
    with RunningHub(tmp_path, allow_sign_up=True, name="Orchard") as hub:
        page = httpx.get(hub.url).text
        assert "No models yet" in page
        assert f"export HF_ENDPOINT={hub.url}" in page
        for path in ("/models", "/datasets"):
            assert "yet</h2>" in httpx.get(hub.url + path).text


def test_joining_makes_an_account_and_logs_in(tmp_path: Path) -> None:
    form = {"name": "rowan", "password": "a long enough password"}
    with (
        RunningHub(tmp_path, allow_sign_up=True) as hub,
        httpx.Client(base_url=hub.url) as client,
    ):
        short = client.post("/join", data=form | {"password": "short"})
        assert short.status_code == 400
        assert "must have" in short.text
        assert client.post("/join", data=form).headers["location"] == "/"
        assert 'href="/rowan"' in client.get("/").text
        assert client.post("/join", data=form).status_code == 409


def test_lists_can_be_ordered_by_what_people_like(visitor: httpx.Client) -> None:
    for sort, title in (("likes", "most liked"), ("trending", "trending")):
        page = visitor.get("/models", params={"sort": sort}).text
        assert re.search(f'aria-current="true">{title}<', page)
        assert f"sort={'trendingScore' if sort == 'trending' else sort}" in page


def test_a_binary_file_is_told_in_whole_sentences(visitor: httpx.Client) -> None:
    page = visitor.get(f"/{OWNER}/questions-tiny/blob/main/model.safetensors").text
    text = " ".join(re.sub("<[^>]*>", "", page).split())
    assert "There is no text in this file to show. Its bytes are kept as a large file" in text
