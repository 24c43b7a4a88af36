import json
from pathlib import Path
from typing import Any

import pytest
from contracts.messages import BusMessage, Event, Query

from tests.contracts.catalog import messages
from tests.contracts.goldens import FOLDER, Goldens


def test_message_schemas_match_the_goldens() -> None:
    problems = Goldens(FOLDER, messages()).problems()
    assert not problems, "\n\n".join(["Run `make golden` and review the diff.", *problems])


class Poured(Event):
    subject = "evt.bar.poured"
    sample = {"glasses": 2}
    glasses: int


class Renamed(Event):
    subject = "evt.bar.poured"
    sample = {"cups": 2}
    cups: int


class Upcast(Renamed):
    version = 2

    @classmethod
    def upcast(cls, version: int, state: dict[str, Any]) -> dict[str, Any]:
        return {"cups": state["glasses"]}


class GrownByADefault(Poured):
    sample = {"glasses": 2, "ice": True}
    ice: bool = False


class CountGlasses(Query[int]):
    subject = "qry.bar.count"
    sample = {}


class CountGlassesAsText(Query[str]):
    """The same question with another answer."""

    subject = "qry.bar.count"
    sample = {}


@pytest.fixture
def reviewed(tmp_path: Path) -> Path:
    assert not Goldens(tmp_path, [Poured, CountGlasses]).write()
    return tmp_path


def problems(folder: Path, *kinds: type[BusMessage]) -> str:
    return "\n".join(Goldens(folder, kinds).problems())


def stored(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "evt.bar.poured.json").read_text())["examples"]


def test_written_goldens_have_no_problems(reviewed: Path) -> None:
    assert not problems(reviewed, Poured, CountGlasses)


def test_a_changed_result_is_shown_as_a_diff(reviewed: Path) -> None:
    output = problems(reviewed, Poured, CountGlassesAsText)
    assert '-    "type": "integer"' in output
    assert '+    "type": "string"' in output


def test_a_missing_file_is_named(reviewed: Path) -> None:
    (reviewed / "qry.bar.count.json").unlink()
    assert problems(reviewed, Poured, CountGlasses) == "qry.bar.count.json is missing"


def test_a_left_over_file_is_reported_and_removed_by_the_next_write(reviewed: Path) -> None:
    assert problems(reviewed, Poured) == "qry.bar.count.json belongs to no message"
    assert not Goldens(reviewed, [Poured]).write()
    assert [path.name for path in reviewed.iterdir()] == ["evt.bar.poured.json"]


def test_an_unreadable_event_is_reported_and_not_written(reviewed: Path) -> None:
    assert "events stored as version 1 cannot be read any more" in problems(reviewed, Renamed, CountGlasses)
    assert Goldens(reviewed, [Renamed, CountGlasses]).write()
    assert stored(reviewed) == {"1": [{"glasses": 2}]}


def test_a_new_version_that_upcasts_keeps_the_old_example(reviewed: Path) -> None:
    assert not Goldens(reviewed, [Upcast, CountGlasses]).write()
    assert stored(reviewed) == {"1": [{"glasses": 2}], "2": [{"cups": 2}]}


def test_a_field_with_a_default_keeps_the_example_from_before(reviewed: Path) -> None:
    assert not Goldens(reviewed, [GrownByADefault, CountGlasses]).write()
    assert stored(reviewed) == {"1": [{"glasses": 2}, {"glasses": 2, "ice": True}]}


def test_descriptions_are_not_part_of_the_schema(reviewed: Path) -> None:
    assert "description" not in (reviewed / "qry.bar.count.json").read_text()
