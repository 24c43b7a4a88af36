"""Requests that schemathesis generates from the OpenAPI document, sent as an administrator to a system of their own."""

import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from onebox.testing.system import System

from tests.e2e.sweep.resources import Owner
from tests.e2e.sweep.rules import ENDS_LOGIN

SETTINGS = {"LOGIN_FAILURES_PER_ADDRESS": "100000", "LOGIN_FAILURES_PER_ACCOUNT": "100000"}
CHECKS = (
    *("not_a_server_error", "status_code_conformance", "content_type_conformance"),
    *("response_headers_conformance", "response_schema_conformance"),
)
EXPECTED = ("2xx", "3xx", "4xx", "502", "504")
"""502 and 504 are the honest answers about a model or an MCP server that does not exist."""
STREAM_EVENTS = 1
REQUEST_SECONDS = 60


@dataclass(frozen=True)
class Budget:
    """How long to send requests, how many to each operation, and which ones: a seed repeats them."""

    seconds: int
    examples: int
    seed: int


def fuzz(budget: Budget) -> int:
    """Send requests with invented ids, and with those of existing resources; return the exit code, 0 if all conform."""
    # Each to a system of its own: some requests end the logins of their sender, or change its password.
    return max(_fuzz(budget, existing=existing) for existing in (False, True))


def _fuzz(budget: Budget, *, existing: bool) -> int:
    with System(SETTINGS) as system:
        system.start()
        owner, bystander = Owner(system.base_url), Owner(system.base_url)
        owner.email, owner.password = system.admin_email, system.admin_password
        with owner.http, bystander.http:
            owner.log_in()
            bystander.register()
            bystander.log_in()
            return _run(system, owner, budget, owner.create_all(bystander) if existing else {})


def _run(system: System, user: Owner, budget: Budget, ids: Mapping[str, str]) -> int:
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder) / "schemathesis.toml"
        config.write_text(_config(user, ids))
        command = [
            *(str(Path(sys.executable).with_name("schemathesis")), "--config-file", str(config), "run"),
            *(f"{system.base_url}/api/v1/openapi.json", "--checks", ",".join(CHECKS), "--continue-on-failure"),
            *("--max-time", str(max(1, budget.seconds // 2)), "--max-examples", str(budget.examples)),
            *("--seed", str(budget.seed), "--no-color", "--generation-database", "none", "--warnings", "off"),
            *("--request-timeout", str(REQUEST_SECONDS), "--suppress-health-check", "all"),
            *(part for name in ENDS_LOGIN for part in ("--exclude-operation-id", name)),
            *(("--exclude-method", "DELETE") if ids else ()),  # or the resources would soon be gone
        ]
        return subprocess.run(command, cwd=folder, check=False).returncode


def _config(user: Owner, ids: Mapping[str, str]) -> str:
    headers = {"Authorization": user.http.headers["authorization"]}
    lines = [
        f"max-stream-events = {STREAM_EVENTS}",
        "[headers]",
        *(f"{json.dumps(name)} = {json.dumps(value)}" for name, value in headers.items()),
        "[parameters]",
        *(f"{json.dumps(f'path.{name}')} = {json.dumps(value)}" for name, value in ids.items()),
        "[checks.not_a_server_error]",
        f"expected-statuses = {json.dumps(EXPECTED)}",
    ]
    return "\n".join(lines)
