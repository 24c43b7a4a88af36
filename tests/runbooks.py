"""The runbooks, and the commands in them."""

import re

from tests.architecture.house import ROOT

FOLDER = ROOT / "docs" / "runbooks"
PAGES = sorted(path.stem for path in FOLDER.glob("*.md"))
SHELL, CONTAINERS, STANDBY = "sh", "sh containers", "sh standby"
"""What marks commands that tests run: with a system of `make run`, docker compose, or two database servers."""


def blocks(page: str) -> list[tuple[str, str]]:
    """Return the blocks of a page, each with its mark, and without its indentation."""
    found = re.findall(r"^( *)```([^\n]+)\n(.*?)^ *```$", (FOLDER / f"{page}.md").read_text(), re.DOTALL | re.MULTILINE)
    return [(mark, re.sub(rf"^{indent}", "", text, flags=re.MULTILINE)) for indent, mark, text in found]


def commands(page: str, mark: str = SHELL) -> str:
    """Return the content of all blocks of a page with this mark."""
    return "\n".join(text for each, text in blocks(page) if each == mark)
