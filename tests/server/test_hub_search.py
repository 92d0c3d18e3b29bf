"""Finding repositories: words, filters, order, pages, and the facets that pages show."""

import base64
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from person import Person, file

from graft.server.errors import BadRequestError
from graft.server.records import Kind, Query
from graft.server.repositories import catalogue
from graft.server.running import RunningHub

HUGE_ID = base64.urlsafe_b64encode(b'["2026-01-01T00:00:00+00:00", %d]' % (2**70)).decode()
CARDS = {
    "news-bert": "pipeline_tag: text-classification\nlanguage: en\nlicense: mit\n"
    "library_name: graft\ndatasets: [ag_news]\n---\nSorts zeppelin headlines into topics.",
    "Tagger": "pipeline_tag: token-classification\nlanguage: [de, fr]\nlicense: apache-2.0\n"
    "library_name: transformers\nbase_model: me/base\n---\nFinds names in Zeppelin logbooks.",
    "plain_one": "tags: [tiny]\n---\nNothing to see; naïve café.",
}


@pytest.fixture
def library(ada: Person) -> Person:
    """Somebody with three models, each described in another way."""
    for name, card in CARDS.items():
        repo = ada.create(name)
        assert ada.commit(repo, file("README.md", f"---\n{card}\n")).status_code == 200
    return ada


@pytest.fixture
def found(library: Person) -> Callable[..., list[str]]:
    """The names of that person's models that a list holds."""

    def find(**params: object) -> list[str]:
        asked = {"author": library.name, "sort": "createdAt", "direction": 1, **params}
        answer = library.http.get("/api/models", params=asked)  # type: ignore[arg-type]
        assert answer.status_code == 200, answer.text
        return [item["id"].partition("/")[2] for item in answer.json()]

    return find


@pytest.mark.parametrize(
    ("words", "names"),
    [
        ("zeppelin", ["news-bert", "Tagger"]),
        ("ZEPPELIN logb", ["Tagger"]),
        ("headlines zeppelin", ["news-bert"]),
        ("ert", ["news-bert"]),
        ("s-b", ["news-bert"]),
        ("plain_one", ["plain_one"]),
        ("cafe naive", ["plain_one"]),
        ("apache", ["Tagger"]),
        ("tiny", ["plain_one"]),
        ("nowhere to be found", []),
        ('"; DROP TABLE repositories; --', []),
        ("NEAR( OR AND * ^", []),
        ("%", []),
    ],
)
def test_words(found: Callable[..., list[str]], words: str, names: list[str]) -> None:
    assert found(search=words) == names


@pytest.mark.parametrize(
    ("params", "names"),
    [
        ({"filter": "text-classification"}, ["news-bert"]),
        ({"pipeline_tag": "token-classification"}, ["Tagger"]),
        ({"filter": "de"}, ["Tagger"]),
        ({"filter": "language:fr"}, ["Tagger"]),
        ({"filter": ["de", "fr", "transformers"]}, ["Tagger"]),
        ({"filter": ["de", "en"]}, []),
        ({"filter": "de,transformers"}, ["Tagger"]),
        ({"filter": "library:graft"}, ["news-bert"]),
        ({"filter": "dataset:ag_news"}, ["news-bert"]),
        ({"filter": "license:mit"}, ["news-bert"]),
        ({"filter": "base_model:me/base"}, ["Tagger"]),
        ({"filter": "tiny", "search": "nothing"}, ["plain_one"]),
        ({"gated": "true"}, []),
        ({"num_parameters": "min:1K"}, []),
    ],
)
def test_filters(
    found: Callable[..., list[str]], params: dict[str, object], names: list[str]
) -> None:
    assert found(**params) == names


def test_orders(library: Person, found: Callable[..., list[str]]) -> None:
    library.http.get(f"/{library.name}/Tagger/resolve/main/README.md")
    assert found(sort="downloads", direction=-1)[0] == "Tagger"
    assert found(sort="lastModified", direction=-1) == ["plain_one", "Tagger", "news-bert"]
    assert found(sort="createdAt", direction=1) == ["news-bert", "Tagger", "plain_one"]


def test_a_card_that_changes_changes_what_is_found(
    library: Person, found: Callable[..., list[str]]
) -> None:
    card = "---\nlanguage: it\n---\nAbout balloons.\n"
    library.commit(f"{library.name}/Tagger", file("README.md", card))
    assert found(search="zeppelin") == ["news-bert"]
    assert found(filter="de") == []
    assert found(filter="it", search="balloon") == ["Tagger"]


def test_pages_hold_everything_once(ada: Person, found: Callable[..., list[str]]) -> None:
    for number in range(4):
        ada.create(f"more-{number}")
    for sort in ("createdAt", "downloads", "lastModified"):
        names: list[str] = []
        address = f"/api/models?author={ada.name}&limit=2&sort={sort}"
        while address:
            page = ada.http.get(address)
            assert len(page.json()) <= 2
            assert page.headers["X-Total-Count"] == "7"
            names += [item["id"] for item in page.json()]
            address = page.links.get("next", {}).get("url", "")
        assert len(names) == len(set(names)) == 7


@pytest.mark.parametrize("cursor", ["x", "!!", "WzEsMl0", "e30=", "WyJhIiwgMV0=", HUGE_ID])
def test_a_cursor_that_nobody_gave_out(ada: Person, cursor: str) -> None:
    refused = ada.http.get("/api/models", params={"cursor": cursor})
    assert refused.status_code == 400
    assert "cursor" in refused.json()["error"]


@pytest.mark.parametrize(
    ("sort", "says"),
    [("likes", b"[1, Infinity]"), ("likes", b"[1, 1e400]"), ("id", b'["\\ud800", 1]')],
)
def test_a_cursor_of_what_no_database_holds(ada: Person, sort: str, says: bytes) -> None:
    cursor = base64.urlsafe_b64encode(says).decode()
    refused = ada.http.get("/api/models", params={"sort": sort, "cursor": cursor})
    assert refused.status_code == 400
    assert "cursor" in refused.json()["error"]


@pytest.mark.parametrize(
    "params", [{"sort": "beauty"}, {"num_parameters": "lots"}, {"limit": "many"}]
)
def test_parameters_that_make_no_sense(ada: Person, params: dict[str, str]) -> None:
    refused = ada.http.get("/api/models", params=params)
    assert refused.status_code == 400
    assert next(iter(params)) in refused.json()["error"] or "sort by" in refused.json()["error"]


def test_data_sets_are_found_by_their_own_tags(ada: Person) -> None:
    card = "---\ntask_categories: [text-classification]\nlanguage: en\nsize_categories: n<1K\n---\n"
    repo = ada.create("questions", "dataset")
    ada.commit(repo, file("README.md", card), kind="datasets")
    asked: dict[str, object] = {"author": ada.name}
    for tag in ("task_categories:text-classification", "language:en", "size_categories:n<1K"):
        answer = ada.http.get("/api/datasets", params={**asked, "filter": tag})  # type: ignore[dict-item]
        assert [item["id"] for item in answer.json()] == [repo]
    assert ada.http.get("/api/models", params=asked).json() == []  # type: ignore[arg-type]


def test_full_and_expand_choose_what_is_told(library: Person) -> None:
    asked = {"author": library.name, "search": "news-bert"}
    plain = library.http.get("/api/models", params=asked).json()[0]
    assert "siblings" not in plain
    assert "cardData" not in plain
    full = library.http.get("/api/models", params={**asked, "full": "true", "cardData": "1"})
    assert {"rfilename": "README.md"} in full.json()[0]["siblings"]
    assert full.json()[0]["cardData"]["datasets"] == ["ag_news"]
    expanded = library.http.get("/api/models", params={**asked, "expand": "downloads"})
    assert set(expanded.json()[0]) == {"_id", "id", "downloads"}


def test_private_repositories_are_found_by_their_owner_only(
    ada: Person, bob: Person, anyone: httpx.Client
) -> None:
    repo = ada.create("hidden", private=True)
    ada.commit(repo, file("README.md", "---\ntags: [unheard-of]\n---\nquixotic\n"))
    for params in ({"search": "quixotic"}, {"filter": "unheard-of"}, {"author": ada.name}):
        assert [item["id"] for item in ada.http.get("/api/models", params=params).json()] == [repo]
        assert bob.http.get("/api/models", params=params).json() == []
        assert anyone.get("/api/models", params=params).json() == []


def test_lists_say_what_is_so_now(ada: Person, anyone: httpx.Client) -> None:
    repo = ada.create("changing")

    def listed() -> dict[str, Any]:
        found = anyone.get("/api/models", params={"author": ada.name}).json()
        return found[0] if found else {}

    assert listed() == listed()  # the second time it is one that was shown before
    ada.commit(repo, file("README.md", "---\nlicense: mit\n---\n"))
    assert "license:mit" in listed()["tags"]
    assert listed()["sha"] == ada.head(repo)
    assert ada.http.post(f"/api/models/{repo}/like").status_code == 200
    assert (listed()["likes"], listed()["trendingScore"]) == (1, 1)
    move = {"fromRepo": repo, "toRepo": f"{ada.name}/changed", "type": "model"}
    assert ada.http.post("/api/repos/move", json=move).status_code == 200
    assert listed()["id"] == f"{ada.name}/changed"
    setting = f"/api/models/{ada.name}/changed/settings"
    assert ada.http.put(setting, json={"gated": "auto"}).status_code == 200
    assert listed()["gated"] == "auto"
    assert ada.http.put(setting, json={"private": True}).status_code == 200
    assert listed() == {}


def test_facets_count_what_a_list_can_be_cut_by(hub: RunningHub, library: Person) -> None:
    query = Query(Kind.MODEL, author=library.name)
    facets = catalogue.facets(hub.hub, query, None)
    values = {facet: [(v.label, v.count) for v in found] for facet, found in facets.items()}
    assert values == {
        "task": [("text-classification", 1), ("token-classification", 1)],
        "library": [("graft", 1), ("transformers", 1)],
        "language": [("de", 1), ("en", 1), ("fr", 1)],
        "license": [("apache-2.0", 1), ("mit", 1)],
        "dataset": [("ag_news", 1)],
    }
    narrowed = catalogue.facets(hub.hub, Query(Kind.MODEL, author=library.name, tags=("de",)), None)
    assert [v.label for v in narrowed["task"]] == ["token-classification"]


def test_tags_by_type(library: Person) -> None:
    tags = library.http.get("/api/models-tags-by-type").json()
    assert {"id": "language:de", "label": "de", "type": "language"} in tags["language"]
    assert {tag["label"] for tag in tags["pipeline_tag"]} >= {"text-classification"}


def test_a_page_of_records_can_be_continued(hub: RunningHub, library: Person) -> None:
    query = Query(Kind.MODEL, author=library.name, sort="name", descending=False, limit=2)
    page = catalogue.search(hub.hub, query, None)
    assert page.total == 3
    assert page.next_cursor is not None
    with pytest.raises(BadRequestError):
        catalogue.search(hub.hub, Query(Kind.MODEL, cursor="nonsense"), None)
