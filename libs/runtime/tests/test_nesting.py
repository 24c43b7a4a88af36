import json
from typing import Any

import pytest
from runtime.nesting import MAX_DEPTH, too_deep


def nested(levels: int) -> Any:
    return json.loads('{"a": [' * (levels // 2) + ("{}" if levels % 2 else "1") + "]}" * (levels // 2))


SHALLOW: list[Any] = ["text", None, {}, [], [[], {}] * 9, nested(MAX_DEPTH - 1), nested(MAX_DEPTH)]


@pytest.mark.parametrize("value", SHALLOW)
def test_nesting_up_to_the_maximum_is_allowed(value: Any) -> None:
    assert not too_deep(value)


@pytest.mark.parametrize("levels", [MAX_DEPTH + 1, MAX_DEPTH + 2, 5_000])
def test_one_level_more_is_too_deep(levels: int) -> None:
    assert too_deep(nested(levels))


def test_one_deep_value_among_others_is_found() -> None:
    assert too_deep([1, {"a": "b", "c": nested(MAX_DEPTH)}, []])
