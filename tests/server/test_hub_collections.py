"""Collections, with the stock client and its command line."""

from collections.abc import Callable

import httpx
import pytest
from huggingface_hub import HfApi
from huggingface_hub.errors import HfHubHTTPError
from person import Person

from graft.server.community.collections import slug_of
from graft.server.running import RunningHub

Api = Callable[[Person], HfApi]


@pytest.fixture
def api(hub: RunningHub) -> Api:
    """The stock client in somebody's name."""
    return lambda person: HfApi(endpoint=hub.url, token=person.token)


def status_of(error: pytest.ExceptionInfo[HfHubHTTPError]) -> int:
    return error.value.response.status_code


def test_a_collection_is_made_and_found(api: Api, ada: Person, bob: Person) -> None:
    made = api(ada).create_collection("My cool stuff!", description="A lot of it")
    assert (made.title, made.owner, made.description) == ("My cool stuff!", ada.name, "A lot of it")
    assert (made.items, made.private, made.upvotes, made.position) == ([], False, 0, 0)
    assert made.slug.startswith(f"{ada.name}/my-cool-stuff-")
    assert made.url.endswith(f"/collections/{made.slug}")
    assert api(bob).get_collection(made.slug) == made
    short = made.slug.rpartition("-")[0]
    assert api(bob).get_collection(short).slug == made.slug
    with pytest.raises(HfHubHTTPError) as refused:
        api(ada).create_collection("my cool  stuff!")
    assert status_of(refused) == 409
    again = api(ada).create_collection("My cool stuff!", description="Other", exists_ok=True)
    assert again == made
    assert api(bob).create_collection("My cool stuff!").slug != made.slug


def test_metadata_changes_and_old_slugs_go_on(api: Api, ada: Person) -> None:
    made = api(ada).create_collection("Old title")
    changed = api(ada).update_collection_metadata(
        made.slug, title="New title", description="Said", private=True, theme="pink"
    )
    assert (changed.title, changed.description) == ("New title", "Said")
    assert (changed.private, changed.theme) == (True, "pink")
    assert changed.slug != made.slug
    assert changed.slug.rpartition("-")[2] == made.slug.rpartition("-")[2]
    assert api(ada).get_collection(made.slug).slug == changed.slug
    with pytest.raises(HfHubHTTPError) as refused:
        api(ada).update_collection_metadata(made.slug, theme="beige")
    assert status_of(refused) == 400
    api(ada).create_collection("Taken")
    with pytest.raises(HfHubHTTPError) as refused:
        api(ada).update_collection_metadata(made.slug, title="taken")
    assert status_of(refused) == 409


def test_collections_of_an_owner_can_be_ordered(api: Api, ada: Person) -> None:
    slugs = [api(ada).create_collection(title).slug for title in ("One", "Two", "Three")]
    api(ada).update_collection_metadata(slugs[2], position=0)
    positions = [api(ada).get_collection(slug).position for slug in slugs]
    assert positions == [1, 2, 0]


def test_private_ones_are_their_owners(api: Api, ada: Person, bob: Person) -> None:
    made = api(ada).create_collection("Secret", private=True)
    assert api(ada).get_collection(made.slug).private
    for act in (
        lambda: api(bob).get_collection(made.slug),
        lambda: api(bob).delete_collection(made.slug),
        lambda: api(bob).update_collection_metadata(made.slug, title="Mine"),
    ):
        with pytest.raises(HfHubHTTPError) as refused:
            act()
        assert status_of(refused) == 404
    assert list(api(bob).list_collections(owner=ada.name)) == []
    assert [c.slug for c in api(ada).list_collections(owner=ada.name)] == [made.slug]
    api(ada).update_collection_metadata(made.slug, private=False)
    assert api(bob).get_collection(made.slug).title == "Secret"


def test_nobody_else_changes_them(hub: RunningHub, api: Api, ada: Person, bob: Person) -> None:
    made = api(ada).create_collection("Mine")
    model = bob.create("bobs")
    reader = HfApi(endpoint=hub.url, token=hub.add_user(f"{ada.name}-reads", role="read"))
    for who, status in ((api(bob), 403), (reader, 403), (HfApi(hub.url, token=False), 401)):
        for act in (
            lambda who=who: who.add_collection_item(made.slug, model, "model"),
            lambda who=who: who.update_collection_metadata(made.slug, title="Ours"),
            lambda who=who: who.delete_collection(made.slug),
            lambda who=who: who.create_collection("Another", namespace=ada.name),
        ):
            with pytest.raises(HfHubHTTPError) as refused:
                act()
            assert status_of(refused) == status


def test_an_organization_has_collections(
    api: Api, ada: Person, bob: Person, new_person: Callable[[], Person]
) -> None:
    carol, lab = new_person(), f"lab-of-{ada.name}"
    ada.http.post("/api/organizations/create", json={"name": lab})
    for person, role in ((bob, "read"), (carol, "write")):
        ada.http.put(f"/api/organizations/{lab}/members/{person.name}", json={"role": role})
    made = api(carol).create_collection("Ours", namespace=lab, private=True)
    assert made.slug.startswith(f"{lab}/ours-")
    assert api(bob).get_collection(made.slug).owner == lab
    with pytest.raises(HfHubHTTPError) as refused:
        api(bob).update_collection_metadata(made.slug, title="Mine")
    assert status_of(refused) == 403
    api(ada).delete_collection(made.slug)


def test_items_come_go_and_move(api: Api, ada: Person) -> None:
    model, data = ada.create("thing"), ada.create("thing", "dataset")
    nested = api(ada).create_collection("Nested").slug
    slug = api(ada).create_collection("All").slug
    api(ada).add_collection_item(slug, model, "model", note="This is it")
    api(ada).add_collection_item(slug, data, "dataset")
    full = api(ada).add_collection_item(slug, nested, "collection")
    assert [(i.item_id, i.item_type, i.note, i.position) for i in full.items] == [
        (model, "model", "This is it", 0),
        (data, "dataset", None, 1),
        (nested, "collection", None, 2),
    ]
    with pytest.raises(HfHubHTTPError) as refused:
        api(ada).add_collection_item(slug, model, "model")
    assert status_of(refused) == 409
    api(ada).add_collection_item(slug, model, "model", exists_ok=True)
    for item, kind in ((f"{model}x", "model"), ("a/b", "space"), ("2309.1", "paper"), (model, "x")):
        with pytest.raises(HfHubHTTPError) as refused:
            api(ada).add_collection_item(slug, item, kind)  # type: ignore[arg-type]
        assert status_of(refused) == 404
    with pytest.raises(HfHubHTTPError) as refused:
        api(ada).add_collection_item(slug, slug, "collection")
    assert status_of(refused) == 400

    first = full.items[0].item_object_id
    api(ada).update_collection_item(slug, first, note="Moved", position=1)
    found = api(ada).get_collection(slug).items
    assert [i.item_id for i in found] == [data, model, nested]
    assert found[1].note == "Moved"
    api(ada).delete_collection_item(slug, first)
    api(ada).delete_collection_item(slug, first, missing_ok=True)
    with pytest.raises(HfHubHTTPError) as refused:
        api(ada).delete_collection_item(slug, first)
    assert status_of(refused) == 404
    assert [i.position for i in api(ada).get_collection(slug).items] == [0, 1]

    api(ada).delete_repo(data, repo_type="dataset")
    assert [i.item_id for i in api(ada).get_collection(slug).items] == [nested]
    api(ada).delete_collection(nested)
    assert api(ada).get_collection(slug).items == []


def test_what_one_may_not_see_is_left_out(api: Api, ada: Person, bob: Person) -> None:
    secret, public = ada.create("hidden", private=True), ada.create("shown")
    slug = api(ada).create_collection("Both").slug
    for repo in (secret, public):
        api(ada).add_collection_item(slug, repo, "model")
    assert [i.item_id for i in api(bob).get_collection(slug).items] == [public]
    assert [c.slug for c in api(ada).list_collections(item=f"models/{secret}")] == [slug]
    assert list(api(bob).list_collections(item=f"models/{secret}")) == []
    mine = api(bob).create_collection("Stolen").slug
    with pytest.raises(HfHubHTTPError) as refused:
        api(bob).add_collection_item(mine, secret, "model")
    assert status_of(refused) == 404


def test_who_holds_a_hidden_or_missing_collection_is_not_told(
    api: Api, ada: Person, bob: Person
) -> None:
    model = ada.create("held")
    hidden = api(ada).create_collection("Hidden shelf", private=True).slug
    outer = api(ada).create_collection("Outer shelf").slug
    api(ada).add_collection_item(outer, hidden, "collection")
    api(ada).add_collection_item(outer, model, "model")

    def holding(person: Person, slug: str) -> list[str]:
        return [c.slug for c in api(person).list_collections(item=f"collections/{slug}")]

    assert ada.http.post(f"/api/collections/{hidden}/upvote").status_code == 200
    overview = f"/api/users/{ada.name}/overview"
    assert ada.http.get(overview).json()["numUpvotes"] == 1
    assert bob.http.get(overview).json()["numUpvotes"] == 0
    assert holding(ada, hidden) == [outer]
    assert holding(bob, hidden) == []
    assert holding(bob, hidden.rpartition("-")[0]) == []
    assert holding(bob, f"{ada.name}/no-such-shelf") == []


def test_lists_are_filtered_sorted_and_paged(
    hub: RunningHub, api: Api, ada: Person, bob: Person
) -> None:
    model = ada.create("listed")
    slugs = [api(ada).create_collection(f"Number {n}").slug for n in range(3)]
    other = api(bob).create_collection("Bobs").slug
    for slug in (slugs[1], slugs[0]):
        api(ada).add_collection_item(slug, model, "model")

    def found(**wanted: object) -> list[str]:
        return [c.slug for c in api(bob).list_collections(**wanted)]  # type: ignore[arg-type]

    assert found(owner=ada.name) == [slugs[0], slugs[1], slugs[2]]
    assert set(found(owner=[ada.name, bob.name])) == {*slugs, other}
    assert found(item=f"models/{model}") == [slugs[0], slugs[1]]
    assert found(item=["models/no/such", "papers/1"]) == []
    assert found(owner=ada.name, limit=1) == [slugs[0]]
    assert bob.http.post(f"/api/collections/{slugs[2]}/upvote").json()["upvotes"] == 1
    assert bob.http.post(f"/api/collections/{slugs[2]}/upvote").json()["upvotes"] == 1
    assert found(owner=ada.name, sort="upvotes")[0] == slugs[2]
    assert found(owner=ada.name, sort="trending")[0] == slugs[2]
    assert api(ada).get_collection(slugs[2]).upvotes == 1
    assert bob.http.delete(f"/api/collections/{slugs[2]}/upvote").json()["upvotes"] == 0
    address, seen = f"/api/collections?owner={ada.name}&limit=2", []
    while address:
        page = ada.http.get(address)
        seen += [item["slug"] for item in page.json()]
        address = page.links.get("next", {}).get("url", "")
    assert seen == slugs


def test_lists_show_a_few_items_each(api: Api, ada: Person) -> None:
    slug = api(ada).create_collection("Long").slug
    for number in range(6):
        api(ada).add_collection_item(slug, ada.create(f"item-{number}"), "model")
    [listed] = api(ada).list_collections(owner=ada.name)
    assert len(listed.items) == 4
    assert len(api(ada).get_collection(slug).items) == 6


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"title": ""},
        {"title": "  "},
        {"title": "x" * 101},
        {"title": "a\0b"},
        {"title": "good", "description": "x" * 151},
        {"title": "good", "resourceGroupId": "1"},
        {"title": "good", "private": "perhaps"},
    ],
)
def test_what_cannot_be_kept_is_refused(ada: Person, body: dict[str, object]) -> None:
    assert ada.http.post("/api/collections", json=body).status_code == 400
    assert ada.http.get(f"/api/collections?owner={ada.name}").json() == []


def test_who_is_not_there_has_none(ada: Person, anyone: httpx.Client) -> None:
    body = {"title": "Theirs", "namespace": "nobody-here"}
    assert ada.http.post("/api/collections", json=body).status_code == 404
    assert anyone.post("/api/collections", json={"title": "Mine"}).status_code in (401, 404)
    assert anyone.get("/api/collections/nobody-here/nothing").status_code == 404
    assert anyone.get("/api/collections?sort=nonsense").status_code == 400


@pytest.mark.parametrize(
    ("title", "slug"),
    [("My models!", "my-models"), ("Ärger & Öl", "arger-ol"), ("!!!", "collection")],
)
def test_slugs(title: str, slug: str) -> None:
    assert slug_of(title) == slug


def test_the_command_line(hub: RunningHub, ada: Person, hf: Callable[[str], str]) -> None:
    model = ada.create("cli")
    hf("collections create 'From a terminal' --description Typed")
    [made] = HfApi(endpoint=hub.url, token=ada.token).list_collections(owner=ada.name)
    hf(f"collections add-item {made.slug} {model} model --note Good")
    assert model in hf(f"collections info {made.slug} --format json")
    assert "From a terminal" in hf(f"collections ls --owner {ada.name} --format json")
    hf(f"collections update {made.slug} --title 'From a shell' --private")
    [item] = HfApi(endpoint=hub.url, token=ada.token).get_collection(made.slug).items
    hf(f"collections update-item {made.slug} {item.item_object_id} --note Better --position 0")
    hf(f"collections delete-item {made.slug} {item.item_object_id}")
    hf(f"collections delete {made.slug}")
    assert list(HfApi(endpoint=hub.url, token=ada.token).list_collections(owner=ada.name)) == []
