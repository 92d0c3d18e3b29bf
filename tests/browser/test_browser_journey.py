"""A visitor finds a model, reads about it and tries it, with scripts and without."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

import graft
from hub_samples import LABELS, OWNER, PASSWORD, Garden

pytestmark = pytest.mark.browser
OpenPage = Callable[..., Page]
with_and_without_scripts = pytest.mark.parametrize("scripts", [True, False])
MODEL = f"/{OWNER}/questions-tiny"


def shown_scores(page: Page) -> dict[str, str]:
    names = page.locator("#widget-answer .name")
    names.first.wait_for()
    pairs = [item.locator("span").all_inner_texts() for item in names.all()]
    return dict(pairs)


def expected_scores(garden: Garden, question: object) -> dict[str, str]:
    (answer,) = graft.pipeline(garden.model)([question])
    return {label: f"{100 * score:.1f}%" for label, score in answer.scores.items()}


@with_and_without_scripts
def test_from_the_front_page_to_a_file(open_page: OpenPage, scripts: bool) -> None:
    page = open_page("/", scripts=scripts)
    page.get_by_role("searchbox").fill("answer")
    page.get_by_role("button", name="Search").click()
    page.get_by_role("link", name="questions-tiny").click()
    expect(page).to_have_title("maren/questions-tiny · Graft Hub")
    expect(page.get_by_role("article")).to_contain_text("what kind of answer")
    expect(page.get_by_role("row", name="Accuracy 0.9683")).to_be_visible()
    page.get_by_role("link", name="Files").click()
    page.get_by_role("link", name="config.json", exact=True).click()
    expect(page.locator(".code")).to_contain_text('"num_hidden_layers": 1')


@with_and_without_scripts
def test_a_text_typed_in_gets_the_models_own_scores(
    open_page: OpenPage,
    garden: Garden,
    scripts: bool,
) -> None:
    page = open_page(MODEL, scripts=scripts)
    page.get_by_label("Text").fill("Where is Timbuktu?")
    page.get_by_role("button", name="Run the model").click()
    scores = shown_scores(page)
    assert scores == expected_scores(garden, "Where is Timbuktu?")
    assert set(scores) == set(LABELS)
    assert page.get_by_label("Text").input_value() == "Where is Timbuktu?"


@with_and_without_scripts
def test_an_example_of_the_card_is_one_press_away(
    open_page: OpenPage,
    garden: Garden,
    scripts: bool,
) -> None:
    page = open_page(MODEL, scripts=scripts)
    page.get_by_role("button", name="How far is the moon?").click()
    assert shown_scores(page) == expected_scores(garden, "How far is the moon?")
    assert page.get_by_label("Text").input_value() == "How far is the moon?"


@with_and_without_scripts
def test_a_model_of_pairs_asks_for_two_texts(
    open_page: OpenPage,
    garden: Garden,
    scripts: bool,
) -> None:
    page = open_page(f"/{OWNER}/pairs-tiny", scripts=scripts)
    page.get_by_label("First text").fill("It rains.")
    page.get_by_label("Second text").fill("It is dry.")
    page.get_by_role("button", name="Run the model").click()
    assert shown_scores(page) == expected_scores(garden, ("It rains.", "It is dry."))


@with_and_without_scripts
@pytest.mark.parametrize(
    ("path", "typed", "said"),
    [
        (MODEL, "  ", "is empty"),
        (f"/{OWNER}/no-weights", "Hello", "holds no weights to run"),
        (f"/{OWNER}/damaged", "Hello", "cannot be run"),
    ],
)
def test_what_goes_wrong_is_said_in_the_widget(
    open_page: OpenPage, scripts: bool, path: str, typed: str, said: str
) -> None:
    page = open_page(path, scripts=scripts)
    page.get_by_label("Text").fill(typed)
    page.get_by_role("button", name="Run the model").click()
    expect(page.locator("#widget-answer .wrong")).to_contain_text(said)
    expect(page.get_by_role("button", name="Run the model")).to_be_enabled()


def test_nothing_in_a_card_runs(open_page: OpenPage) -> None:
    page = open_page(MODEL)
    page.get_by_text("do not click").click()
    assert page.evaluate("window.hacked") is None
    sources = page.locator(".prose img").evaluate_all("all => all.map(i => i.getAttribute('src'))")
    assert [source for source in sources if source and "outside" in source] == []


def test_code_can_be_copied(open_page: OpenPage) -> None:
    page = open_page(MODEL)
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.locator(".prose .copied-box").hover()
    page.locator(".prose .copy").click()
    expect(page.locator(".prose .copy")).to_have_text("Copied")
    assert page.evaluate("navigator.clipboard.readText()") == "import graft"


@with_and_without_scripts
def test_ways_of_use_open_one_at_a_time(open_page: OpenPage, scripts: bool) -> None:
    page = open_page(MODEL, scripts=scripts)
    ways = page.locator(".use details")
    assert ways.evaluate_all("all => all.map(way => way.open)")[0] is True if scripts else True
    page.locator(".use summary", has_text="transformers").click()
    expect(page.locator(".use")).to_contain_text('pipeline("text-classification"')
    expect(page.get_by_text(f'pipe = graft.pipeline("{OWNER}/questions-tiny")')).to_be_hidden()


@with_and_without_scripts
def test_logging_in_making_a_token_and_a_repository(
    open_page: OpenPage, garden: Garden, scripts: bool
) -> None:
    page = open_page("/settings/tokens", scripts=scripts)
    expect(page).to_have_url(f"{garden.url}/login?next_page=%2Fsettings%2Ftokens")
    page.get_by_label("Name").fill(OWNER)
    page.get_by_label("Password").fill("not the password")
    page.get_by_role("main").get_by_role("button", name="Log in").click()
    expect(page.get_by_role("alert")).to_contain_text("do not belong together")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("main").get_by_role("button", name="Log in").click()
    expect(page).to_have_url(f"{garden.url}/settings/tokens")

    name = f"laptop-{scripts}"
    page.get_by_label("Name").fill(name)
    page.get_by_role("button", name="Make the token").click()
    secret = page.locator(".notice pre").inner_text()
    assert secret.startswith("graft_")
    page.goto(f"{garden.url}/settings/tokens")
    expect(page.get_by_role("row", name=name)).to_contain_text(f"…{secret[-4:]}")
    assert secret not in page.content()
    page.get_by_role("button", name=f"Delete the token {name}").click()
    expect(page.get_by_role("row", name=name)).to_have_count(0)

    page.goto(f"{garden.url}/new")
    page.get_by_role("main").get_by_label("Name").fill(f"made-here-{scripts}".lower())
    page.get_by_label("only me").check()
    page.get_by_role("button", name="Create it").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text(f"made-here-{scripts}".lower())
    expect(page.get_by_role("main")).to_contain_text("Nothing pushed yet")
    page.get_by_role("button", name="Log out").click()
    page.goto(f"{garden.url}/{OWNER}/made-here-{scripts}".lower())
    expect(page.get_by_role("heading", level=1)).to_have_text("Nothing grows here")
