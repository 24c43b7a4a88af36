"""The commands of the runbooks for containers, blocks `sh containers`, and what is checked without running them."""

import re
import subprocess
from pathlib import Path

import pytest
from contracts.catalogue import EVENTS
from contracts.wire import event_stream, work_stream
from onebox.testing.system import until

from tests.architecture.house import ROOT
from tests.deploy.installation import READY_SECONDS, Installation
from tests.e2e.user import User
from tests.runbooks import CONTAINERS, FOLDER, PAGES, SHELL, STANDBY, blocks, commands

E2E = ROOT / "tests/e2e"
RUN_BY = {SHELL: E2E / "test_runbooks.py", STANDBY: E2E / "test_failover.py", CONTAINERS: Path(__file__)}
EXAMPLES = {"text", "json"}
"""Marks of what no test of this module runs: settings, and commands that have tests of their own."""
SAID = {
    "service": "ready",
    "dead-letters": "0 dead letters of task_scheduler",
    "read-models": "sessions was rebuilt",
    "full-disk": "",
    "secrets": "wrote nats-url-session",
    "upgrade": "",
    "lost-bus": "",
}
"""The pages with commands for containers, and what these print."""
EVERY = [(page, mark, text) for page in PAGES for mark, text in blocks(page)]


def test_every_command_of_a_runbook_is_run_by_a_test() -> None:
    pages = {mark: {page for page, each, _ in EVERY if each == mark} for mark in {mark for _, mark, _ in EVERY}}
    assert {*pages} == {*RUN_BY, *EXAMPLES, "sql"}
    for mark, test in RUN_BY.items():
        assert [page for page in pages[mark] if f'"{page}"' not in test.read_text()] == []


@pytest.mark.parametrize("page", PAGES)
def test_the_commands_of_a_page_can_be_parsed(page: str) -> None:
    for mark in RUN_BY:
        subprocess.run(["bash", "-n"], input=commands(page, mark), text=True, check=True)


def test_loops_over_services_name_all_of_them() -> None:
    loops = [set(names.split()) for _, _, text in EVERY for names in re.findall("for service in (.+); do", text)]
    assert loops
    assert all(names - {"gateway"} == {*EVENTS} for names in loops)


def test_streams_in_runbooks_exist() -> None:
    texts = [(FOLDER / f"{page}.md").read_text() for page in PAGES]
    named = {name for text in texts for name in re.findall(r"\b(?:EVT|WORK)_[A-Z_]+\b", text)}
    assert named
    assert named <= {name for service in EVENTS for name in (event_stream(service), work_stream(service))}


@pytest.mark.deploy
@pytest.mark.parametrize("page", SAID)
def test_the_commands_for_containers_work(page: str, installation: Installation) -> None:
    user = User(installation.gateways[0])
    with user.http:
        user.register()
        user.log_in()
        session = user.create()
        assert SAID[page] in installation.shell(commands(page, CONTAINERS))
        installation.find_gateways()
        user.http.base_url = f"{installation.gateways[0]}/api/v1"
        until(lambda: user.ask(session, "hello").is_success, READY_SECONDS)
