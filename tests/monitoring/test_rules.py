"""The rules as Prometheus reads them, and the tests of each alert, by promtool."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from tests.monitoring.expressions import FOLDER, RULES, alerts

TESTS = sorted((FOLDER / "tests").glob("*.yml"))


@pytest.fixture
def promtool() -> str:
    """Return the program, or skip the test; with `CI` set it has to be there."""
    found = shutil.which("promtool")
    if not found:
        give_up = pytest.fail if os.environ.get("CI") else pytest.skip  # noqa: TID251  it says who is asking
        give_up("promtool is missing: apt-get install prometheus")
    return found


def test_every_alert_is_tested_while_it_is_silent_and_while_it_fires() -> None:
    cases = [case for path in TESTS for case in yaml.safe_load(path.read_text())["tests"]]
    names = {alert["alert"] for alert in alerts()}
    fires = {c["name"]: ["exp_samples" in at for at in c["promql_expr_test"]] for c in cases if c["name"] in names}
    assert fires == {name: [False, True] for name in names}


def test_promtool_accepts_the_rules(promtool: str) -> None:
    _run(promtool, "check", "rules", *map(str, RULES.glob("*.yml")))


@pytest.mark.parametrize("path", TESTS, ids=lambda path: path.stem)
def test_each_alert_fires_and_stays_silent(path: Path, promtool: str) -> None:
    _run(promtool, "test", "rules", str(path))


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
