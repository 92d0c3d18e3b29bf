"""Writes the page of the command line from the commands' own help, so that it is always right."""

import subprocess
import sys

from mkdocs.structure.pages import Page


def on_page_markdown(markdown: str, page: Page, **_: object) -> str:
    """Appends every command's help to the page reference/cli.md."""
    if page.file.src_uri != "reference/cli.md":
        return markdown
    command = [sys.executable, "-m", "typer", "graft.cli.app", "utils", "docs", "--name", "graft"]
    ran = subprocess.run(command, capture_output=True, text=True, check=True)
    _, _, commands = ran.stdout.partition("\n## ")
    return f"{markdown}\n## {commands}"
