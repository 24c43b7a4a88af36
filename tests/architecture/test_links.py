"""Links between the pages of the documentation lead to files and headings that exist."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.architecture import house
from tests.architecture.test_language import tracked

LINK = re.compile(r"\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)


def broken(page: Path) -> Iterator[str]:
    """Return the links of a page to files or headings that do not exist."""
    for link in LINK.findall(re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL)):
        path, _, heading = link.partition("#")
        target = page.parent / path if path else page
        if "://" not in link and not (target.exists() and (not heading or heading in _anchors(target))):
            yield f"{page.name}: {link}"


def _anchors(page: Path) -> set[str]:
    return {re.sub(r"[^\w\- ]", "", heading).lower().replace(" ", "-") for heading in HEADING.findall(page.read_text())}


def test_no_link_of_the_documentation_is_broken() -> None:
    pages = [house.ROOT / name for name in tracked(house.ROOT) if name.endswith(".md")]
    assert [link for page in pages for link in broken(page)] == []


@pytest.mark.parametrize("link", ["other.md", "#nothing", "page.md#nothing"])
def test_a_broken_link_is_found(tmp_path: Path, link: str) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"# A `title`\n[this](page.md#a-title) and [that]({link})")
    assert list(broken(page)) == [f"page.md: {link}"]
