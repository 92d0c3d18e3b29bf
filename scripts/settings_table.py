"""Writes the table of settings in docs/operating.md from the settings themselves.

`--check` writes nothing, and ends with status 1 where the table is not what it should be.
"""

import sys
from pathlib import Path

from graft.server.settings import describe

PAGE = Path(__file__).parents[1] / "docs" / "operating.md"
BEGIN, END = "<!-- settings: begin -->\n", "<!-- settings: end -->\n"


def table() -> str:
    """All settings, in Markdown."""
    lines = ["| variable | default | what it is |", "|---|---|---|"]
    for each in describe():
        default = f"`{each.default}`" if each.default else ""
        lines.append(f"| `{each.variable}` | {default} | {each.text.replace('|', '&#124;')} |")
    return "\n".join(lines) + "\n"


def page_with_table(page: str) -> str:
    """The page, with the table between its marks."""
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}{table()}{END}{after}"


def main() -> int:
    """Writes or checks the page."""
    page = PAGE.read_text()
    wanted = page_with_table(page)
    if "--check" not in sys.argv[1:]:
        PAGE.write_text(wanted)
        return 0
    if page != wanted:
        print("The settings have changed: run python scripts/settings_table.py", file=sys.stderr)
    return int(page != wanted)


if __name__ == "__main__":
    sys.exit(main())
