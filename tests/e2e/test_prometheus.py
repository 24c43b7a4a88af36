"""A real Prometheus scrapes a system under load: every expression of dashboards and rules has data."""

import asyncio
import contextlib
import shutil
import subprocess
from collections.abc import Generator
from dataclasses import dataclass
from typing import Any

import httpx
import promql_parser
import pytest
from contracts.catalogue import EVENTS
from onebox.testing.mcp import mcp_client
from onebox.testing.system import System, until
from simulator.testing import bash, scripted

from tests.e2e.approvals import Asked, careful
from tests.e2e.mcp import PROGRAM, register
from tests.e2e.tasks import UserTask
from tests.e2e.user import User, admin_of, newcomer
from tests.monitoring.expressions import Expression, all_expressions
from tests.monitoring.prometheus import Prometheus, scraping
from tests.monitoring.promql import selectors

pytestmark = [pytest.mark.long, pytest.mark.timeout(600)]

WORKS = scripted(bash("true"), {"text": "Done."})
FAILS = scripted({"status": 403})
"""A prompt to which the model answers an error that is not repeated."""
MAY_BE_EMPTY = (" == ", " > ", " >= ", " unless ", "absent(")
"""What makes an expression empty while all is well."""
ABSENT = {
    "ALERTS": "nothing fires",
    "build_info{} offset": "the system has just been started",
    "bus_refused_total": "the bus permits everything",
    "dead_letters": "no event is given up",
    'due_lateness_seconds_bucket{le="30.0"': "the rate needs more than one due time of a kind, a minute apart",
    'due_total{kind="approval_expiry"': "approvals wait for a day",
    'due_total{kind=~"check|': "MCP servers are checked minutes later",
    'due_total{outcome="failed"': "due times succeed",
    "projector_unreadable_total": "all events can be read",
    "quota_refused_total": "no quota is used up",
    "rate_limit_refused_total": "the system of the tests has no rate limits",
    "reports_failed_total": "reports succeed",
    "runs_released_total": "approvals are decided at once",
    "work_offered_total": "there is one session service",
    "work_swept_total": "no worker dies",
    'messages_handled_total{reply="faulted"': "no command fails",
    'api_request_duration_seconds_count{status=~"500|': "no request fails",
}
"""The series that exist only after something that does not happen here, by how their selectors begin."""


@dataclass(frozen=True)
class Load:
    """What users do."""

    system: System
    user: User
    admin: User
    server_id: str

    def round(self) -> None:
        """Use everything once."""
        asked = Asked(self.user, careful(self.user), bash("touch made"), {"text": "Done."})
        session_id = self.user.create()
        for prompt in (WORKS, FAILS, WORKS):
            self.user.ask(session_id, prompt)
        asked.decide("approve").raise_for_status()
        task = UserTask.create(self.user, FAILS, max_retries=1)
        task.execute()
        body = {"report_type": "session", "session_id": session_id, "format": "markdown"}
        self.user.http.post("/reports", json=body).raise_for_status()
        self.admin.http.post(f"/mcp-servers/{self.server_id}/check").raise_for_status()
        asyncio.run(self._call_tool())
        asked.answer.result()

    async def _call_tool(self) -> None:
        token = self.user.http.headers["authorization"].removeprefix("Bearer ")
        async with mcp_client(self.system.base_url, token) as client:
            await client.call_tool("list_sessions", {})


@pytest.fixture(scope="module")
def load(system: System) -> Generator[Load]:
    for user in newcomer(system):
        for admin in admin_of(system):
            server = register(admin, "watched", PROGRAM)
            yield Load(system, user, admin, server["id"])
            admin.http.delete(f"/mcp-servers/{server['id']}").raise_for_status()


@pytest.fixture(scope="module")
def prometheus(load: Load, tmp_path_factory: pytest.TempPathFactory) -> Generator[Prometheus]:
    program = shutil.which("prometheus") or ""
    if not program:
        pytest.skip("prometheus is missing: apt-get install prometheus")
    with scraping(load.system, program, tmp_path_factory.mktemp("prometheus")) as running:
        for _ in range(2):  # the first round creates series, the second increases them
            load.round()
        with contextlib.suppress(AssertionError):  # the test says what is missing
            until(lambda: not without_data(running), 120)
        yield running


def questions(expression: Expression) -> list[Any]:
    """Return what of an expression has to have data: the series, if it is empty while all is well."""
    text = " ".join(expression.text.split())
    parsed: Any = promql_parser.parse(expression.filled)
    return list(selectors(parsed)) if any(part in text for part in MAY_BE_EMPTY) else [parsed]


def is_absent(selector: Any) -> bool:
    text = str(selector)
    return any(text.startswith(one) for one in ABSENT)


def without_data(prometheus: Prometheus) -> list[str]:
    """Return the expressions that have no data, although they should."""
    asked = [(one.place, question) for one in all_expressions() for question in questions(one)]
    wanted = [(place, question) for place, question in asked if not any(map(is_absent, selectors(question)))]
    return [f"{place}: {question}" for place, question in wanted if not prometheus.query(question.prettify())]


def test_every_expression_has_data(prometheus: Prometheus) -> None:
    assert without_data(prometheus) == []


def test_all_rules_can_be_evaluated(prometheus: Prometheus) -> None:
    until(lambda: all(rule["health"] != "unknown" for rule in prometheus.rules()))
    assert [rule for rule in prometheus.rules() if rule["health"] != "ok"] == []


@pytest.mark.usefixtures("prometheus")
def test_promtool_accepts_the_metrics_of_every_service(load: Load) -> None:
    for service in ("gateway", *EVENTS):
        metrics = httpx.get(f"{load.system.ops_url(service)}/metrics", timeout=60).content
        found = subprocess.run(["promtool", "check", "metrics"], input=metrics, capture_output=True, check=False)
        assert (found.returncode, found.stdout, found.stderr) == (0, b"", b""), service


def test_no_alert_fires_for_a_system_that_works(prometheus: Prometheus) -> None:
    expected = {"RunsFail", "ErrorBudgetBurnsFast", "ErrorBudgetBurnsSlowly"}  # the load has runs that fail
    fired = {sample["metric"]["alertname"] for sample in prometheus.query('ALERTS{alertstate="firing"}')}
    assert fired <= expected
