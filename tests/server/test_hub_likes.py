"""Likes, followers, and what they do to the order of lists."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from huggingface_hub import HfApi
from huggingface_hub.errors import HfHubHTTPError, RepositoryNotFoundError
from person import Person

from graft.server.community import trending
from graft.server.running import RunningHub

Api = Callable[[Person], HfApi]


@pytest.fixture
def api(hub: RunningHub) -> Api:
    """The stock client in somebody's name."""
    return lambda person: HfApi(endpoint=hub.url, token=person.token)


def like(person: Person, repo: str, kind: str = "models") -> httpx.Response:
    return person.http.post(f"/api/{kind}/{repo}/like")


def test_likes_are_counted_and_listed(api: Api, ada: Person, bob: Person) -> None:
    model, data = ada.create("liked"), ada.create("liked", "dataset")
    assert like(ada, model).json() == {"success": True, "likes": 1}
    assert like(bob, model).json()["likes"] == 2
    assert like(bob, model).json()["likes"] == 2
    assert like(bob, data, "datasets").json()["likes"] == 1
    assert api(ada).model_info(model).likes == 2
    assert api(ada).dataset_info(data).likes == 1
    likers = list(api(ada).list_repo_likers(model))
    assert [person.username for person in likers] == [bob.name, ada.name]
    assert all(person.fullname and person.avatar_url for person in likers)
    liked = api(bob).list_liked_repos()
    assert (liked.user, liked.total) == (bob.name, 2)
    assert (liked.models, liked.datasets) == ([model], [data])
    assert api(ada).get_user_overview(bob.name).num_likes == 2

    api(bob).unlike(model)
    api(bob).unlike(model)
    assert api(ada).model_info(model).likes == 1
    assert [person.username for person in api(ada).list_repo_likers(model)] == [ada.name]
    assert api(ada).list_liked_repos(bob.name).models == []


def test_who_may_like_what(hub: RunningHub, api: Api, ada: Person, bob: Person) -> None:
    secret, public = ada.create("secret", private=True), ada.create("public")
    assert like(bob, secret).status_code == 404
    assert like(ada, secret).status_code == 200
    assert httpx.post(f"{hub.url}/api/models/{public}/like").status_code == 401
    reads = hub.add_user(f"{bob.name}-reads", role="read")
    headers = {"Authorization": f"Bearer {reads}"}
    assert httpx.post(f"{hub.url}/api/models/{public}/like", headers=headers).status_code == 403
    assert api(bob).list_liked_repos(ada.name).models == []
    assert api(ada).list_liked_repos(ada.name).models == [secret]
    with pytest.raises(RepositoryNotFoundError):
        list(api(bob).list_repo_likers(secret))
    with pytest.raises(HfHubHTTPError):
        api(bob).list_liked_repos("nobody-here")
    with pytest.raises(RepositoryNotFoundError):
        api(bob).unlike("nobody-here/nothing")


def test_long_lists_come_in_pages(api: Api, ada: Person, new_person: Callable[[], Person]) -> None:
    repo = ada.create("popular")
    names = []
    for _ in range(5):
        person = new_person()
        like(person, repo)
        names.insert(0, person.name)
    address, seen = f"/api/models/{repo}/likers?limit=2", []
    while address:
        page = ada.http.get(address)
        seen += [item["user"] for item in page.json()]
        address = page.links.get("next", {}).get("url", "")
    assert seen == names


def test_lists_are_ordered_by_likes_and_trend(api: Api, ada: Person, bob: Person) -> None:
    one, two, three = (ada.create(name) for name in ("first", "second", "third"))
    like(ada, one)
    like(ada, three)
    like(bob, three)
    for sort in ("likes", "trending_score"):
        found = [m.id for m in api(ada).list_models(author=ada.name, sort=sort)]
        assert found == [three, one, two]
    scores = {m.id: m.trending_score for m in api(ada).list_models(author=ada.name)}
    assert scores == {three: 2, one: 1, two: 0}
    api(bob).unlike(three)
    api(ada).unlike(three)
    assert api(ada).model_info(three).trending_score == 0


def test_a_trend_goes_down_in_lists_though_nothing_happens(
    ada: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    like(ada, ada.create("of-today"))
    asked = f"/api/models?author={ada.name}"
    assert [item["trendingScore"] for item in ada.http.get(asked).json()] == [1]
    monkeypatch.setattr(trending, "EPOCH", trending.EPOCH - 10 * trending.HALF_LIFE)  # time passes
    assert [item["trendingScore"] for item in ada.http.get(asked).json()] == [0]


def test_deleting_a_repository_or_liking_it_anew(api: Api, ada: Person, bob: Person) -> None:
    repo = ada.create("short-lived")
    like(bob, repo)
    api(ada).delete_repo(repo)
    assert api(bob).list_liked_repos().models == []
    ada.create("short-lived")
    assert api(ada).model_info(repo).likes == 0
    assert like(bob, repo).json()["likes"] == 1


def test_following_people_and_organizations(
    api: Api, ada: Person, bob: Person, new_person: Callable[[], Person]
) -> None:
    carol, lab = new_person(), f"lab-of-{ada.name}"
    assert ada.http.post("/api/organizations/create", json={"name": lab}).status_code == 200
    for person in (bob, carol):
        for _ in range(2):
            assert person.http.post(f"/api/users/{ada.name}/follow").status_code == 200
    assert bob.http.post(f"/api/organizations/{lab}/follow").status_code == 200
    followers = list(api(ada).list_user_followers(ada.name))
    assert {person.username for person in followers} == {bob.name, carol.name}
    assert {p.username for p in api(ada).list_user_following(bob.name)} == {ada.name, lab}
    assert [p.username for p in api(ada).list_organization_followers(lab)] == [bob.name]
    overview = api(bob).get_user_overview(ada.name)
    assert (overview.num_followers, overview.is_following) == (2, True)
    assert bob.http.delete(f"/api/users/{ada.name}/follow").status_code == 200
    assert bob.http.delete(f"/api/organizations/{lab}/follow").status_code == 200
    assert list(api(ada).list_user_following(bob.name)) == []
    assert api(bob).get_user_overview(ada.name).is_following is False


def test_who_cannot_be_followed(hub: RunningHub, ada: Person, bob: Person) -> None:
    assert ada.http.post(f"/api/users/{ada.name}/follow").status_code == 400
    assert ada.http.post("/api/users/nobody-here/follow").status_code == 404
    assert ada.http.post(f"/api/organizations/{bob.name}/follow").status_code == 404
    assert httpx.post(f"{hub.url}/api/users/{ada.name}/follow").status_code == 401
    reads = hub.add_user(f"{bob.name}-reads", role="read")
    headers = {"Authorization": f"Bearer {reads}"}
    answer = httpx.post(f"{hub.url}/api/users/{ada.name}/follow", headers=headers)
    assert answer.status_code == 403


NOW = datetime(2026, 11, 21, tzinfo=UTC)


def test_a_score_is_worth_half_after_a_half_life() -> None:
    score = 0
    for _ in range(8):
        score = trending.after(score, trending.LIKE, NOW)
    assert trending.shown(score, NOW) == 8
    assert trending.shown(score, NOW + trending.HALF_LIFE) == 4
    assert trending.shown(score, NOW + 10 * trending.HALF_LIFE) == 0


def test_what_happens_later_counts_more() -> None:
    old = trending.after(trending.after(0, 1.0, NOW), 1.0, NOW)
    new = trending.after(0, 1.0, NOW + 2 * trending.HALF_LIFE)
    assert new > old
    assert trending.after(0, 1.0, NOW + timedelta(days=6)) < old


def test_what_is_taken_back_counts_no_more() -> None:
    one = trending.after(0, trending.LIKE, NOW)
    two = trending.after(one, trending.LIKE, NOW + timedelta(days=3))
    assert abs(trending.without(two, trending.LIKE, NOW + timedelta(days=3)) - one) <= 2
    assert trending.without(one, trending.LIKE, NOW) == 0
    assert trending.without(0, trending.LIKE, NOW) == 0


def test_a_fetch_counts_however_much_something_is_liked() -> None:
    score = 0
    for _ in range(20):
        score = trending.after(score, 1000.0, NOW)
    assert trending.after(score, trending.DOWNLOAD, NOW) > score
    assert 0 < trending.after(0, trending.DOWNLOAD, trending.EPOCH) < 2**31
    assert trending.after(score, 1.0, NOW + timedelta(days=365 * 30)) < 2**31
