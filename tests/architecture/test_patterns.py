"""No regular expression can take exponential time: clients choose the texts that most of them are applied to."""

import pytest

from tests.architecture import house
from tests.architecture.patterns import is_ambiguous, patterns


def test_no_pattern_repeats_a_repetition() -> None:
    files = [file for folder in ("libs", "services") for file in (house.ROOT / folder).rglob("*.py")]
    found = [(file, line, pattern) for file in files for line, pattern in patterns(file)]
    assert len(found) > 50
    assert [f"{file}:{line}: {pattern}" for file, line, pattern in found if is_ambiguous(pattern)] == []


@pytest.mark.parametrize("pattern", ["(a+)+", "(a*)*b", "([a-z]+)*", "(a|b+)*", "(?:x+|y)+$", "(a{1,5})+", "x(a?b?)*"])
def test_an_ambiguous_pattern_is_found(pattern: str) -> None:
    assert is_ambiguous(pattern)


@pytest.mark.parametrize("pattern", ["a+b+", r"[a-z]+(\.[a-z]+)*", r"(\s*,\s*)*", "(a+b)+", "[a-z*]{1,64}"])
def test_a_separated_repetition_is_accepted(pattern: str) -> None:
    assert not is_ambiguous(pattern)
