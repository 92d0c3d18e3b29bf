"""Every page can be read by everybody: on a phone, in the dark, by keyboard and screen reader."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Page

from hub_samples import OWNER, PASSWORD

pytestmark = pytest.mark.browser
OpenPage = Callable[..., Page]

PAGES = [
    "/",
    "/models",
    "/models?search=zzzz",
    "/datasets",
    f"/{OWNER}",
    f"/{OWNER}/questions-tiny",
    f"/{OWNER}/pairs-tiny",
    f"/{OWNER}/empty",
    f"/datasets/{OWNER}/questions",
    f"/{OWNER}/questions-tiny/tree/main",
    f"/{OWNER}/questions-tiny/blob/main/config.json",
    f"/{OWNER}/questions-tiny/blob/main/model.safetensors",
    f"/{OWNER}/questions-tiny/commits/main",
    "/login",
    "/nobody/nothing",
]

# The ratio of each visible text's colour to the colour behind it, by the formula of WCAG 2.
CONTRASTS = """() => {
  const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const rgba = (colour) => {
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = colour;
    canvas.fillRect(0, 0, 1, 1);
    return canvas.getImageData(0, 0, 1, 1).data;
  };
  const light = (colour) => {
    const [r, g, b] = [...rgba(colour)].slice(0, 3).map((value) => {
      const share = value / 255;
      return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const behind = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const colour = getComputedStyle(at).backgroundColor;
      if (rgba(colour)[3] === 255) return colour;
    }
    return "white";
  };
  const found = [];
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (texts.nextNode()) {
    const text = texts.currentNode.textContent.trim();
    const element = texts.currentNode.parentElement;
    if (!text || !element.checkVisibility({ opacityProperty: true })) continue;
    const [a, b] = [light(getComputedStyle(element).color), light(behind(element))];
    found.push([text.slice(0, 40), (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05)]);
  }
  return found;
}"""

UNLABELLED = """() => [...document.querySelectorAll("input, textarea, select, button, a[href]")]
  .filter((control) => control.type !== "hidden")
  .filter((control) => !(control.labels?.length || control.textContent.trim()
    || control.getAttribute("aria-label")))
  .map((control) => control.outerHTML)"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out_from_its_background(open_page: OpenPage, scheme: str) -> None:
    page = open_page("/", color_scheme=scheme)
    base = page.url.rstrip("/")
    for path in PAGES:
        page.goto(base + path)
        found = page.evaluate(CONTRASTS)
        assert found
        assert [(path, text, ratio) for text, ratio in found if ratio < 4.5] == []


@pytest.mark.parametrize(("width", "height"), [(1280, 800), (320, 568)])
def test_no_page_is_wider_than_the_screen(open_page: OpenPage, width: int, height: int) -> None:
    page = open_page("/login", viewport={"width": width, "height": height})
    base = page.url.removesuffix("/login")
    page.get_by_label("Name").fill(OWNER)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("main").get_by_role("button", name="Log in").click()
    wide = []
    for path in [*PAGES, "/settings/tokens", "/new"]:
        page.goto(base + path)
        over = page.evaluate(
            "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        )
        if over > 0:
            wide.append((path, over))
    assert wide == []


def test_pages_have_landmarks_labels_and_one_title(open_page: OpenPage) -> None:
    page = open_page("/")
    base = page.url.rstrip("/")
    for path in PAGES:
        page.goto(base + path)
        assert page.locator("html").get_attribute("lang") == "en"
        assert page.title()
        for role in ("banner", "main", "contentinfo"):
            assert page.get_by_role(role).count() == 1, (path, role)
        assert page.get_by_role("heading", level=1).count() == 1, path
        assert page.evaluate(UNLABELLED) == [], path
        ids = page.evaluate("[...document.querySelectorAll('[id]')].map(e => e.id)")
        assert len(ids) == len(set(ids)), path


def test_the_keyboard_reaches_the_content_first(open_page: OpenPage) -> None:
    page = open_page(f"/{OWNER}/questions-tiny")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the content"
    page.keyboard.press("Enter")
    assert page.url.endswith("#main")


def test_the_dark_follows_the_readers_system(open_page: OpenPage) -> None:
    background = "getComputedStyle(document.body).backgroundColor"
    light = open_page("/", color_scheme="light").evaluate(background)
    dark = open_page("/", color_scheme="dark").evaluate(background)
    assert light == "rgb(248, 246, 239)"
    assert dark == "rgb(19, 25, 21)"
