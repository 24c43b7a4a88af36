"""The examples of problems in the OpenAPI document, to which the operations refer."""

from datetime import UTC, datetime
from typing import Any

from contracts.refusals import Code

from gateway.problems import OVER_QUOTA, TABLE, example, over_quota

REQUEST = "0197a1f0-0000-7000-8000-000000000001"
TIME = datetime(2026, 11, 25, 9, tzinfo=UTC)


def component_examples() -> dict[str, dict[str, Any]]:
    """Return the examples of all problems by the names with which `documented` refers to them."""
    problems = {str(code): example(code) for code in TABLE if code is not Code.QUOTA_EXCEEDED}
    over = {f"{Code.QUOTA_EXCEEDED}-{quota}": over_quota(quota) for quota in OVER_QUOTA}
    return {
        name: {"summary": problem.title, "value": problem.body("/api/v1/...", REQUEST, TIME)}
        for name, problem in sorted((problems | over).items())
    }
