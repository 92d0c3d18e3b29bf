"""A real browser that may talk to the Hub under test and to nobody else."""

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Route, sync_playwright

from hub_samples import Garden, garden  # noqa: F401  the fixture

CHROMIUM = "/usr/bin/chromium"
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]

OpenPage = Callable[..., Page]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Headless Chromium, one for the tests of a file.

    Not for the whole session: while it is open, an event loop runs in this thread, and tests
    elsewhere could not run their own.
    """
    path = CHROMIUM if Path(CHROMIUM).exists() else shutil.which("chromium")
    if path is None:
        if os.environ.get("CI") == "true":
            pytest.fail("chromium is not installed: apt-get install chromium")
        pytest.skip("chromium is not installed")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture
def open_page(browser: Browser, garden: Garden) -> Iterator[OpenPage]:  # noqa: F811
    """Opens a page of the Hub; at its end no page may have complained or asked anybody else."""
    contexts: list[BrowserContext] = []
    asked_elsewhere: list[str] = []
    complaints: list[str] = []

    def only_the_hub(route: Route) -> None:
        if route.request.url.startswith(garden.url + "/"):
            route.continue_()
        else:
            asked_elsewhere.append(route.request.url)
            route.abort()

    def open_one(path: str, *, scripts: bool = True, **options: object) -> Page:
        context = browser.new_context(java_script_enabled=scripts, **options)  # type: ignore[arg-type]
        contexts.append(context)
        context.route("**/*", only_the_hub)
        page = context.new_page()
        page.set_default_timeout(20_000)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on(
            "console",
            lambda message: (
                complaints.append(message.text)
                if message.type == "error" and "status of 4" not in message.text
                else None
            ),
        )
        page.goto(garden.url + path)
        return page

    yield open_one
    for context in contexts:
        context.close()
    assert asked_elsewhere == []
    assert complaints == []
