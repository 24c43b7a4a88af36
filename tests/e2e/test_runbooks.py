"""The commands of the runbooks, blocks `sh`, work as documented; restoring has tests of its own."""

import subprocess
from collections.abc import Generator
from pathlib import Path

import pytest
from onebox.children import allowed_environment
from onebox.testing.system import System, until

from tests.architecture.house import ROOT
from tests.e2e.stored import rows
from tests.e2e.user import HELD, User, admin_of
from tests.runbooks import blocks, commands

pytestmark = pytest.mark.long

OPEN_RUNS = "SELECT id FROM session.runs WHERE ended_at IS NULL"


@pytest.fixture
def spare_admin(spare_system: System) -> Generator[User]:
    """The administrator of a system to kill."""
    yield from admin_of(spare_system)


def output(page: str, system: System, admin: User, **variables: str) -> str:
    """Return what the commands of a page print, after those that set up a shell; none of them may fail."""
    variables |= {"DATA_DIR": str(system.data_dir), "auth": f"authorization: {admin.http.headers['authorization']}"}
    script = "\n".join([commands("README"), commands(page)])
    environment = allowed_environment() | variables
    ran = subprocess.run(
        ["bash", "-eu", "-o", "pipefail", "-c", script],
        cwd=ROOT, env=environment, capture_output=True, text=True, timeout=180, check=False,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout


def test_a_stuck_run_is_found_and_cancelled(spare_system: System, spare_admin: User) -> None:
    until(lambda: not rows(spare_system, OPEN_RUNS))  # of the tests before
    session = spare_admin.create()
    run = spare_admin.submit(session, HELD).json()["id"]
    until(lambda: spare_admin.run(session, run)["status"] != "queued")
    printed = output("stuck-run", spare_system, spare_admin)
    assert f'"id":"{run}"' in printed  # in the response, which shows that no other run was the oldest
    assert '"status":"cancelled"' in printed
    assert spare_admin.ended(session, run)["status"] == "cancelled"


@pytest.mark.parametrize("page", ["lost-bus", "full-disk"])
def test_a_system_whose_bus_was_restarted_is_ready_again(page: str, spare_system: System, spare_admin: User) -> None:
    session = spare_admin.create()
    assert "\nready\n" in output(page, spare_system, spare_admin)
    assert spare_admin.ask(session, "hello").is_success


def test_a_failover_is_diagnosed(spare_system: System, spare_admin: User) -> None:
    assert "pg_is_in_recovery=f" in output("failover", spare_system, spare_admin)


@pytest.mark.parametrize(
    ("page", "said"),
    [
        ("slo", '"status":"ready"'),
        ("service", 'gateway {"status":"ready"'),
        ("runs", "approvals_pending 0"),
    ],
)
def test_the_state_of_a_running_system_is_diagnosed(
    page: str, said: str, spare_system: System, spare_admin: User
) -> None:
    # What metrics say was measured up to 10 s ago, and is absent if measuring took longer than 1 s.
    until(lambda: said in output(page, spare_system, spare_admin))


@pytest.mark.parametrize(
    ("page", "said"),
    [
        ("keys", "data keys by master key"),
        ("dead-letters", "0 dead letters of task_scheduler, 0 of them listed"),
        ("read-models", "accounts was rebuilt"),
    ],
)
def test_the_commands_for_operators_run(page: str, said: str, spare_system: System, spare_admin: User) -> None:
    assert said in output(page, spare_system, spare_admin)


def test_the_shell_shows_nothing_if_all_is_well(spare_system: System, spare_admin: User) -> None:
    until(lambda: output("README", spare_system, spare_admin) == "")


def test_events_that_wait_are_counted_and_the_limit_of_a_stream_is_raised(
    spare_system: System, spare_admin: User
) -> None:
    printed = output("backlog", spare_system, spare_admin)
    assert 'session stream_bytes_max{stream="WORK_SESSION"}' in printed
    assert f'"max_bytes":{2**30}' in printed


def test_a_stream_that_was_removed_is_filled_again(spare_system: System, spare_admin: User) -> None:
    session = spare_admin.create()
    assert '"success":true' in output("relay", spare_system, spare_admin)
    until(spare_system.ready)
    assert spare_admin.ask(session, "hello").is_success


@pytest.mark.parametrize("page", ["keys", "relay", "secrets"])
def test_the_statements_of_a_page_can_be_executed(page: str, spare_system: System) -> None:
    text = "".join(["BEGIN;", *(text for mark, text in blocks(page) if mark == "sql"), "ROLLBACK;"])
    psql(spare_system, text)


def psql(system: System, text: str) -> None:
    """Execute statements as the owner of the tables."""
    url = f"postgresql://agentapi@/agentapi?host={system.data_dir / 'postgres'}"
    subprocess.run(["psql", url, "-v", "ON_ERROR_STOP=1"], input=text, text=True, check=True)


def allow_new_roles(system: System) -> None:
    """Have the embedded PostgreSQL accept other roles than those of `make run`, until its next start."""
    with (system.data_dir / "postgres" / "pg_hba.conf").open("a") as file:
        file.write("local all all trust\n")
    psql(system, "SELECT pg_reload_conf()")


def test_secrets_of_an_installation_are_replaced(spare_system: System, spare_admin: User, tmp_path: Path) -> None:
    subprocess.run([str(ROOT / ".venv/bin/python"), "-m", "onebox.installation", str(tmp_path)], check=True)
    allow_new_roles(spare_system)
    before = {file.name: file.read_text() for file in tmp_path.iterdir()}
    output("secrets", spare_system, spare_admin, SECRETS=str(tmp_path))
    kept = {name for name, text in before.items() if (tmp_path / name).read_text() == text}
    assert kept.isdisjoint({"nats.conf", "nats-url-session", "nats-server.pem", "database-url", "admin-password"})
    assert {"ring.json", "secrets.json", "replay.json", "nats-ca.pem"} <= kept
