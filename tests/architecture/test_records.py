"""The records of decisions have one shape and a bounded length, and the index lists them all."""

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.architecture import house

RECORDS = house.ROOT / "docs/adr"
MAX_WORDS = 450
SECTIONS = ["Context", "Decision", "Consequences", "Alternatives"]
HEAD = re.compile(
    r"# (?P<number>\d+)\. .+\n"
    r"\n- Status: (?:accepted|superseded by \[ADR \d+\]\(\S+\))"
    r"\n- Date: \d{4}-\d\d-\d\d(?:, last changed \d{4}-\d\d-\d\d)?\n"
    r"\n## Context\n"
)


def mistakes(record: Path) -> Iterator[str]:
    """Yield what is wrong with a record: its head, its sections, its length."""
    text = record.read_text()
    head = HEAD.match(text)
    if head is None or int(head["number"]) != int(record.name[:4]):
        yield f"{record.name}: does not begin with its number and title, `- Status:`, `- Date:` and the context"
    if re.findall(r"^## (.+)$", text, re.MULTILINE) != SECTIONS:
        yield f"{record.name}: its sections are not {', '.join(SECTIONS)}"
    if (words := len(text.split())) > MAX_WORDS:
        yield f"{record.name}: has {words} words; at most {MAX_WORDS}"


def misplaced(records: Path) -> dict[str, int]:
    """Return the records that the index does not list exactly once, and its links to none, with the number of lines."""
    lines = Counter(re.findall(r"^- \[\d+\]\((.+?)\)", (records / "README.md").read_text(), re.MULTILINE))
    names = {record.name for record in records.glob("[0-9]*.md")}
    return {name: lines[name] for name in sorted({*names, *lines}) if lines[name] != int(name in names)}


def test_records_have_the_shape_and_the_length() -> None:
    records = sorted(RECORDS.glob("[0-9]*.md"))
    assert [mistake for record in records for mistake in mistakes(record)] == []


def test_the_index_has_one_line_for_each_record() -> None:
    assert misplaced(RECORDS) == {}


RECORD = """# 7. A title

- Status: accepted
- Date: 2026-11-25, last changed 2026-11-29

## Context
## Decision
## Consequences
## Alternatives
"""


@pytest.mark.parametrize(
    ("text", "reported"),
    [
        (RECORD.replace("7.", "8."), "does not begin"),
        (RECORD.replace("- Status: accepted\n", ""), "does not begin"),
        (RECORD.replace("2026-11-25", "in November"), "does not begin"),
        (RECORD.replace("## Alternatives", "## Others"), "its sections"),
        (RECORD + "word " * MAX_WORDS, "words; at most"),
    ],
)
def test_a_mistake_in_a_record_is_reported(tmp_path: Path, text: str, reported: str) -> None:
    record = tmp_path / "0007-title.md"
    record.write_text(text)
    [found] = mistakes(record)
    assert reported in found


def test_a_record_of_the_shape_has_no_mistakes(tmp_path: Path) -> None:
    record = tmp_path / "0007-title.md"
    record.write_text(RECORD)
    assert list(mistakes(record)) == []


@pytest.mark.parametrize(
    ("index", "reported"),
    [
        ("", {"0007-title.md": 0}),
        ("- [7](0007-title.md): once\n- [7](0007-title.md): twice\n", {"0007-title.md": 2}),
        ("- [7](0007-title.md): once\n- [8](0008-other.md): never written\n", {"0008-other.md": 1}),
    ],
)
def test_a_record_that_is_not_listed_once_is_reported(tmp_path: Path, index: str, reported: dict[str, int]) -> None:
    (tmp_path / "0007-title.md").write_text(RECORD)
    (tmp_path / "README.md").write_text(index)
    assert misplaced(tmp_path) == reported
