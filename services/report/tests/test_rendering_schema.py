"""The published schema of the JSON format."""

import json
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from report.rendering.schema import schema

from services.report.tests.rendering import rendered
from services.report.tests.sample_content import session_content, task_content

PUBLISHED = Path(__file__).parents[3] / "docs/schemas/report.schema.json"


def validator() -> Any:
    return Draft202012Validator(json.loads(PUBLISHED.read_text()))


def test_the_published_schema_is_current() -> None:
    assert json.loads(PUBLISHED.read_text()) == schema()


@pytest.mark.parametrize("content", [session_content(), task_content(), task_content(include_metrics=False)])
def test_a_report_in_json_follows_the_schema(content: dict[str, object], tmp_path: Path) -> None:
    text, _ = rendered(content, "json", tmp_path)
    assert validator().is_valid(json.loads(text))


def test_cost_is_a_number_in_json(tmp_path: Path) -> None:
    text, _ = rendered(session_content(), "json", tmp_path)
    assert json.loads(text)["totals"]["cost_usd"] == 0.3517


def test_the_schema_refuses_unknown_fields() -> None:
    assert not validator().is_valid(session_content() | {"unknown": 1})


def test_json_shows_no_direction_control_to_an_editor(tmp_path: Path) -> None:
    text, _ = rendered(session_content(title="a\u202eb"), "json", tmp_path)
    assert text.isascii()
    assert json.loads(text)["title"] == "a\u202eb"
