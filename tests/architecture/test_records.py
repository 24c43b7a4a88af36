"""The records of decisions have one shape and a bounded length, and the index lists them all."""

import re
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
NOT_CHECKED = frozenset(range(19, 36))
"""Records that do not have the shape yet: remove each number with the commit that rewrites its record."""


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


def test_records_have_the_shape_and_the_length() -> None:
    records = sorted(RECORDS.glob("[0-9]*.md"))
    checked = [record for record in records if int(record.name[:4]) not in NOT_CHECKED]
    assert [mistake for record in checked for mistake in mistakes(record)] == []


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
