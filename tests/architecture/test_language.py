"""The texts and names of the repository use the terms of the glossary."""

import subprocess
from pathlib import Path

import pytest

from tests.architecture import house
from tests.architecture.language import findings


def tracked(root: Path) -> list[str]:
    listed = subprocess.run(["git", "ls-files"], cwd=root, capture_output=True, text=True, check=True)
    return [name for name in listed.stdout.splitlines() if "/migrations/" not in name]


def test_replaced_words_do_not_come_back() -> None:
    assert list(findings(house.ROOT, tracked(house.ROOT))) == []


@pytest.mark.parametrize(
    ("name", "text", "reported"),
    [
        ("a.py", "def last_fact(): ...", "a.py:1: 'fact'"),
        ("a.py", "LARGEST_BODY = 1", "a.py:1: 'LARGEST'"),
        ("a.py", "def told(): ...", "a.py:1: 'told'"),
        ("a.py", '"""Give the path."""', "a.py:1: 'Give'"),
        ("a.py", "x = 1  # whoever waits", "a.py:1: 'whoever'"),
        ("guide.md", "# Title\n\nThe database is away.", "guide.md:3: 'is away'"),
        ("console.js", "// told to the agent", "console.js:1: 'told'"),
    ],
)
def test_a_replaced_word_is_reported(tmp_path: Path, name: str, text: str, reported: str) -> None:
    (tmp_path / name).write_text(text)
    [found] = findings(tmp_path, [name])
    assert found.startswith(reported)


def test_strings_of_programs_and_sql_are_not_checked(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text('HEADER = "fact-version"\n')
    assert list(findings(tmp_path, ["a.py"])) == []
