"""The JSON Schema of the JSON format. `docs/schemas/report.schema.json` is its published copy."""

import json
from typing import Any

from report.content import ReportContent


def schema() -> dict[str, Any]:
    """Return the schema that reports in JSON follow."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **ReportContent.model_json_schema(mode="serialization"),
    }


def schema_text() -> str:
    """Return the schema as the text of its published copy."""
    return json.dumps(schema(), indent=2) + "\n"
