"""Settings that hold several values by name."""

import re

import pytest
from contracts.identity.values import ROLES
from hypothesis import given
from hypothesis import strategies as st
from runtime.named_values import NamedValues, of_role

NAMES, ALONE = ("speed", "size"), ("default", "admin")
KNOWN = sorted((*NAMES, *ALONE, *(f"{role}.{name}" for role in ROLES for name in NAMES)))


def whole(name: str, text: str) -> tuple[str, int]:
    if not text.isdecimal():
        raise ValueError("must be a whole number")
    return name, int(text)


FORM = NamedValues(whole, example="5, user.speed=6", names=NAMES, alone=ALONE, unnamed="default")
SPACES = st.sampled_from(["", " ", "\t", "\n"])
PIECES = [*KNOWN, "root", "speed.size", ".", ",", "=", "==", " ", "", "5", "x", "٣", "\0", "'", "{}", "%s", "a" * 200]


def test_values_are_read_with_their_names() -> None:
    values = FORM.parse("5, size=6, user.speed=7, admin=8,")
    expected = {"default": 5, "size": 6, "user.speed": 7, "admin": 8}
    assert values == {name: (name, number) for name, number in expected.items()}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("speed", "entry 1, 'speed': must be a whole number"),
        ("5, 6", "entry 2, '6': default is given twice"),
        ("5, default=6", "entry 2, 'default=6': default is given twice"),
        ("speed=1,, size=x", "entry 3, 'size=x': must be a whole number"),
        (
            "root.speed=1",
            "entry 1, 'root.speed=1': must be one of default, admin, speed, size, or for one role like admin.speed",
        ),
        ("admin.default=1", "entry 1, 'admin.default=1': must be one of default"),
        ("user.=1", "entry 1, 'user.=1': must be one of default"),
        ("=1", "entry 1, '=1': must be one of default"),
        ("a\nb" * 100, "must be a whole number; an example is 5, user.speed=6"),
    ],
)
def test_an_error_has_position_entry_reason_and_example(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)) as refused:
        FORM.parse(text)
    assert str(refused.value).endswith("; an example is 5, user.speed=6")
    assert len(str(refused.value).splitlines()) == 1


def test_a_value_needs_a_name_unless_there_is_one_for_it() -> None:
    with pytest.raises(ValueError, match=r"^entry 1, '5': must be one of speed, or for one role like admin"):
        NamedValues(whole, example="speed=5", names=("speed",)).parse("5")


def test_names_that_no_role_precedes_are_listed() -> None:
    with pytest.raises(ValueError, match=r"must be one of a, b, followed by = and a value"):
        NamedValues(whole, example="a=5", alone=("a", "b")).parse("c=5")


def test_the_value_of_a_role_goes_before_that_of_all_roles() -> None:
    values = {"speed": 1, "admin.speed": 2}
    assert [of_role(values, "admin", "speed", 0), of_role(values, "user", "speed", 0)] == [2, 1]
    assert of_role(values, "user", "size", 0) == 0


@given(st.dictionaries(st.sampled_from(KNOWN), st.integers(min_value=0)), st.data())
def test_what_was_written_is_read(numbers: dict[str, int], data: st.DataObject) -> None:
    def spaced(text: str) -> str:
        return f"{data.draw(SPACES)}{text}{data.draw(SPACES)}"

    text = ",".join(f"{spaced(name)}={spaced(str(number))}" for name, number in numbers.items())
    assert FORM.parse(text) == {name: (name, number) for name, number in numbers.items()}


@given(st.one_of(st.text(), st.lists(st.sampled_from(PIECES)).map("".join)))
def test_any_text_is_read_or_refused_in_one_line(text: str) -> None:
    try:
        assert FORM.parse(text).keys() <= set(KNOWN)
    except ValueError as error:
        assert re.fullmatch(r"entry \d+, .*; an example is 5, user\.speed=6", str(error))  # noqa: PT017  either is right
