"""Tests with many cases."""

import asyncio
import inspect
from collections.abc import Coroutine
from typing import Any, cast

import pytest
from onebox.testing.cases import every_case

CASES = every_case("number, text", [(1, "one"), (2, "two"), (3, "three")])


def only_two(start: int, number: int, text: str):
    assert start + number == 2, text


async def only_two_later(start: int, number: int, text: str):
    only_two(start, number, text)


def run(test: Any) -> None:
    result = test(start=0)
    if isinstance(result, Coroutine):
        asyncio.run(cast(Coroutine[Any, Any, None], result))


@pytest.mark.parametrize("test", [only_two, only_two_later])
def test_all_failing_cases_are_reported(test: Any):
    with pytest.raises(BaseExceptionGroup, match="2 cases failed") as failed:
        run(CASES(test))
    notes = [failure.__notes__ for failure in failed.value.exceptions]
    assert notes == [["case: number = 1\ncase: text = 'one'"], ["case: number = 3\ncase: text = 'three'"]]


def test_the_other_parameters_are_fixtures():
    assert list(inspect.signature(CASES(only_two)).parameters) == ["start"]


def test_a_test_without_cases_is_refused():
    with pytest.raises(ValueError, match="no case"):
        every_case("number", [])


def test_cases_can_be_combined():
    ran, before = list[tuple[int, str]](), list[object]()

    @every_case("number", [1, 2])
    @every_case("letter", "ab", before=lambda fixtures: before.append(fixtures["number"]))
    def test(number: int, letter: str):
        ran.append((number, letter))

    test()
    assert ran == [(1, "a"), (1, "b"), (2, "a"), (2, "b")]
    assert before == [1, 1, 2, 2]
