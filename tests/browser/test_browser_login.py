"""`hf auth login`, as its users do it: the program shows a code, and a browser agrees."""

import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from graft.server.people import accounts
from graft.server.running import RunningHub

pytestmark = pytest.mark.browser

NAME, PASSWORD = "jo", "a long enough password"
HF = Path(sys.executable).with_name("hf")


@pytest.fixture(scope="module")
def login_hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningHub]:
    """A Hub with an account that has a password, and no token yet."""
    with RunningHub(tmp_path_factory.mktemp("login-hub")) as hub:
        accounts.create_account(hub.hub, NAME, password=PASSWORD)
        yield hub


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A browser that nobody has logged in with."""
    context = browser.new_context()
    opened = context.new_page()
    opened.set_default_timeout(20_000)
    yield opened
    context.close()


@pytest.fixture
def environment(login_hub: RunningHub, tmp_path: Path) -> dict[str, str]:
    """A user's own: this Hub, and an empty folder for what the client keeps."""
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path),
        "HF_HOME": str(tmp_path / "hf"),
        "HF_ENDPOINT": login_hub.url,
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "HF_HUB_DISABLE_UPDATE_CHECK": "1",
        "NO_COLOR": "1",
        "PYTHONUNBUFFERED": "1",
    }


Start = Callable[[], tuple["subprocess.Popen[str]", str, str]]


@pytest.fixture
def start(environment: dict[str, str]) -> Iterator[Start]:
    """Starts `hf auth login --force`; answers the program, the page's address and the code."""
    started = []

    def begin() -> tuple["subprocess.Popen[str]", str, str]:
        program = subprocess.Popen(
            [HF, "auth", "login", "--force", "--format", "human"],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        started.append(program)
        assert program.stdout is not None
        said = ""
        for line in program.stdout:
            said += line
            if code := re.search(r"enter the code: (\S+)", said):
                address = re.search(r"http://\S+", said)
                assert address is not None
                return program, address[0], code[1]
        raise AssertionError(said)

    yield begin
    for program in started:
        program.kill()
        program.communicate()


def hf(environment: dict[str, str], *arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [HF, *arguments],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


def log_in(page: Page) -> None:
    page.get_by_label("Name").fill(NAME)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("main").get_by_role("button", name="Log in").click()


def test_a_program_is_logged_in_by_a_browser(
    page: Page, start: Start, environment: dict[str, str]
) -> None:
    program, address, code = start()
    page.goto(address)
    log_in(page)
    expect(page.get_by_role("heading", name="Log this program in?")).to_be_visible()
    expect(page.get_by_role("main")).to_contain_text(code)
    expect(page.get_by_role("main")).to_contain_text("127.0.0.1")
    page.get_by_role("button", name="Log it in").click()
    expect(page.get_by_role("status")).to_contain_text(f"acts for {NAME}")
    out, _ = program.communicate(timeout=40)
    assert program.returncode == 0, out
    who = hf(environment, "auth", "whoami", "--format", "json")
    assert f'"{NAME}"' in who.stdout, who.stderr
    token = hf(environment, "auth", "token").stdout.strip()
    assert re.search(r"graft_[0-9a-f]{40}", token)
    assert f"oauth-{NAME}" in hf(environment, "auth", "list").stdout
    page.get_by_role("link", name="what is logged in").click()
    page.get_by_role("button", name="Log out the program").click()
    expect(page.get_by_role("main")).to_contain_text("None.")
    assert hf(environment, "auth", "whoami").returncode != 0
    assert hf(environment, "auth", "logout").returncode == 0
    assert "Not logged in" in hf(environment, "auth", "whoami").stderr


def test_a_code_typed_in_can_be_refused(page: Page, start: Start, login_hub: RunningHub) -> None:
    program, _, code = start()
    page.goto(f"{login_hub.url}/login?next_page=/device")
    log_in(page)
    page.get_by_label("Code").fill("BBBB-BBBB")
    page.get_by_role("button", name="Go on").click()
    expect(page.get_by_role("alert")).to_contain_text("No program waits")
    page.get_by_label("Code").fill(code.lower())
    page.get_by_role("button", name="Go on").click()
    page.get_by_role("button", name="Refuse it").click()
    expect(page.get_by_role("heading", name="The program was refused")).to_be_visible()
    out, _ = program.communicate(timeout=40)
    assert program.returncode != 0
    assert "denied" in out
