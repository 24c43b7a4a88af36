import http.client
import json
import os
import signal
import sys
from collections.abc import Callable, Generator
from contextlib import ExitStack
from pathlib import Path
from signal import SIGHUP, SIGINT, SIGTERM

import pytest
from contracts.catalogue import SERVICES
from onebox.account import find_account
from onebox.postgres import EmbeddedPostgres
from onebox.supervision import MAX_EXITS
from onebox.testing.system import LAUNCHER, System, has_ended, until

ALL_PROCESSES = {"launcher", "gateway", *SERVICES, "simulator", "nats", "postgres"}
type Box = Callable[..., System]


def command(*behaviour: str) -> list[str]:
    return [sys.executable, str(Path(__file__).with_name("box.py")), *behaviour]


@pytest.fixture(scope="module")
def running(servers: None) -> Generator[System]:
    """Yield a system of fake services, which tests only read from."""
    with System(command=command()) as system:
        system.start()
        yield system


@pytest.fixture(scope="module")
def _stoppable(servers: None) -> Generator[System]:
    with System(command=command()) as system:
        yield system


@pytest.fixture
def reused(_stoppable: System) -> System:
    """Return a system of fake services that runs, and that tests may stop, kill and start again."""
    _stoppable.prepare_for_kills(MAX_EXITS - 1)
    return _stoppable


@pytest.fixture(scope="module")
def rejecting(servers: None) -> Generator[System]:
    """Yield a system with misspelled settings, which ended because a service rejected its own."""
    misspelled: dict[str, str] = dict.fromkeys(
        ("REGISTRATION_OPN", "MODEL_HOST", "ANTHROPIC_API_KEYS"), "plantedsecret"
    )
    with System(misspelled, command("session=wrong")) as system:
        system.launch()
        system.wait()
        yield system


@pytest.fixture(scope="module")
def other(servers: None) -> Generator[System]:
    """Yield a system with a model, without a sandbox or a configured administrator, which tests only read from."""
    model = {"MODEL_BASE_URL": "http://localhost:11434", "MODEL_API_KEY": "plantedsecret"}
    administrator = {"ADMIN_EMAIL": "", "ADMIN_PASSWORD": ""}
    with System(model | administrator, command("session=unconfined")) as system:
        system.start()
        yield system


@pytest.fixture
def box(servers: None) -> Generator[Box]:
    """Yield a factory of systems of fake services: `box("session=fail", PORT="80")`."""
    with ExitStack() as stack:
        yield lambda *behaviour, **environment: stack.enter_context(System(environment, command(*behaviour)))


def environment_of(system: System, name: str) -> dict[str, str]:
    entries = Path(f"/proc/{system.pids()[name]}/environ").read_text().split("\0")
    return dict(entry.split("=", 1) for entry in entries if entry)


def answers(system: System) -> bool:
    connection = http.client.HTTPConnection(system.base_url.removeprefix("http://"), timeout=5)
    try:
        connection.request("GET", "/health/ready")
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()


def order_of_ends(system: System) -> list[str]:
    """Return the names of processes in the order of the last lines in their logs; those of services are sorted."""
    last_write = {log.stem: log.stat().st_mtime_ns for log in (system.data_dir / "logs").iterdir()}
    first, *others = sorted(last_write, key=last_write.__getitem__)
    services, rest = others[: len(SERVICES)], others[len(SERVICES) :]
    return [first, *sorted(services), *rest]


def test_the_banner_shows_address_data_model_and_how_to_stop(running: System) -> None:
    for text in (running.base_url, str(running.data_dir), "built-in simulator", "Ctrl-C"):
        assert text in running.output


def test_the_banner_shows_the_command_of_the_demo(running: System) -> None:
    port = running.base_url.rpartition(":")[2]
    assert f"  try it       PORT={port} make demo\n" in running.output


def test_a_misspelled_setting_prints_a_warning(rejecting: System) -> None:
    warnings = [line for line in rejecting.output.splitlines() if line.startswith("Warning: ")]
    assert [line.rpartition(" ")[2] for line in warnings] == ["MODELS?", "REGISTRATION_OPEN?"]
    assert "secret" not in rejecting.output


def test_every_service_has_a_process_and_a_log(running: System) -> None:
    assert set(running.pids()) == ALL_PROCESSES
    assert {log.stem for log in (running.data_dir / "logs").glob("*.log")} == ALL_PROCESSES - {LAUNCHER}


def test_every_service_has_a_recorded_port_for_probes_and_metrics(running: System) -> None:
    targets = json.loads((running.data_dir / "run" / "ops.json").read_text())
    assert {row["labels"]["service"] for row in targets} == {"gateway", *SERVICES}
    assert {row["targets"][0] for row in targets} == {
        f"127.0.0.1:{environment_of(running, name)['OPS_PORT']}" for name in ("gateway", *SERVICES)
    }


def test_the_metrics_are_public_on_one_machine(running: System) -> None:
    assert environment_of(running, "gateway")["METRICS_PUBLIC"] == "True"


def test_the_gateway_gets_no_secret_except_the_url_of_the_bus(running: System) -> None:
    env = environment_of(running, "gateway")
    assert not {
        "DATABASE_URL",
        "MIGRATION_DATABASE_URL",
        "MODEL_API_KEY",
        "ADMIN_PASSWORD",
        "KEY_RING_FILE",
        "DATA_DIR",
    } & set(env)
    assert {"NATS_URL", "HOST", "PORT"} <= set(env)


def test_services_work_with_another_role_than_they_migrate_with(running: System) -> None:
    env = environment_of(running, "report")
    assert env["DATABASE_URL"].startswith("postgresql://agentapi_service@")
    assert env["MIGRATION_DATABASE_URL"].startswith("postgresql://agentapi@")


def test_the_session_service_uses_the_simulator(running: System) -> None:
    env = environment_of(running, "session")
    assert env["SIMULATOR_URL"] == f"http://127.0.0.1:{environment_of(running, 'simulator')['PORT']}"


def test_a_second_system_on_the_same_data_is_refused(running: System, box: Box) -> None:
    second = box(DATA_DIR=str(running.data_dir))
    second.launch()
    assert second.wait() == 1
    assert f"A system is already running on {running.data_dir} (process {running.pids()[LAUNCHER]}" in second.output


def test_a_port_in_use_is_refused(running: System, box: Box) -> None:
    second = box(PORT=running.base_url.rpartition(":")[2])
    second.launch()
    assert second.wait() == 1
    assert "is in use by another program" in second.output


@pytest.mark.parametrize(
    "number", [SIGTERM, *(pytest.param(each, marks=pytest.mark.long) for each in (SIGINT, SIGHUP))]
)
def test_a_signal_stops_everything(reused: System, number: signal.Signals) -> None:
    pids, run = reused.pids(), reused.data_dir / "run"
    assert (run / "address").read_text() == reused.base_url
    assert reused.stop(number) == 0
    assert all(map(has_ended, pids.values()))
    assert not [*run.glob("address"), *run.glob("ops.json")]
    assert reused.output.endswith("Stopped.\n")
    assert order_of_ends(reused) == ["gateway", *sorted(SERVICES), "simulator", "nats", "postgres"]


def test_the_launcher_handles_every_signal_that_stops_it(running: System) -> None:
    status = Path(f"/proc/{running.pids()[LAUNCHER]}/status").read_text()
    caught = int(status.partition("SigCgt:")[2].split()[0], 16)
    assert all(caught >> (number - 1) & 1 for number in (SIGINT, SIGTERM, SIGHUP))


def test_all_processes_end_and_start_again_when_the_launcher_is_killed(reused: System) -> None:
    pids = reused.pids()
    reused.kill(LAUNCHER)
    until(lambda: all(map(has_ended, pids.values())))
    reused.start()
    assert set(reused.pids()) == ALL_PROCESSES


def test_the_system_restarts_after_all_processes_were_killed(reused: System) -> None:
    reused.kill_all()
    reused.start()
    until(lambda: answers(reused))


@pytest.mark.parametrize("name", ["gateway", "nats", "postgres"])
def test_a_killed_process_is_restarted(reused: System, name: str) -> None:
    killed = reused.kill(name)
    until(lambda: reused.pids().get(name) not in (killed, None))
    until(lambda: answers(reused))


def test_a_service_with_invalid_settings_stops_the_system(rejecting: System) -> None:
    assert rejecting.wait() == 1
    assert "session rejected its settings" in rejecting.output
    assert "MODEL_API_KEY: is wrong" in rejecting.output


def test_a_service_that_does_not_become_ready_stops_the_system(box: Box) -> None:
    system = box("session=unready", "ready_timeout=1")
    system.launch()
    assert system.wait() == 1
    assert "session is not ready after 1 s: " in system.output


def test_an_invalid_setting_is_named_and_exits_with_2(box: Box) -> None:
    system = box(PORT="eighty")
    system.launch()
    assert system.wait() == 2
    assert "\nPORT: " in system.output


def test_a_generated_password_is_shown_once(other: System) -> None:
    assert "admin@localhost   password: made up" in other.output
    until(lambda: not (other.data_dir / "first-admin.json").exists())  # deleted after the password has been shown


def test_the_key_ring_is_kept_across_restarts(reused: System) -> None:
    ring = (reused.data_dir / "keys" / "ring.json").read_text()
    reused.restart()
    assert (reused.data_dir / "keys" / "ring.json").read_text() == ring


def test_external_servers_are_used_instead_of_embedded_ones(
    box: Box, postgres: EmbeddedPostgres, nats_url: str
) -> None:
    urls = {"DATABASE_URL": postgres.service_url, "MIGRATION_DATABASE_URL": postgres.url}
    system = box(**urls, NATS_URL=nats_url)
    system.start()
    assert set(system.pids()) == ALL_PROCESSES - {"nats", "postgres"}
    assert urls.items() <= environment_of(system, "identity").items()


def test_with_a_model_the_simulator_is_not_started(other: System) -> None:
    assert "simulator" not in other.pids()
    assert environment_of(other, "session")["MODEL_API_KEY"] == "plantedsecret"


def test_the_banner_says_if_no_sandbox_can_be_created(other: System, running: System) -> None:
    assert "WITHOUT TOOLS" in other.output
    assert "WITHOUT TOOLS" not in running.output


def test_a_system_that_does_not_run_is_started_before_kills(reused: System) -> None:
    reused.stop()
    reused.prepare_for_kills(3)
    until(lambda: answers(reused))


def test_a_system_with_few_recent_kills_goes_on(reused: System) -> None:
    launcher = reused.pids()[LAUNCHER]
    reused.kill("session")
    reused.kill("gateway")
    reused.prepare_for_kills(MAX_EXITS - 1)
    assert reused.pids()[LAUNCHER] == launcher
    until(lambda: answers(reused))


def test_a_system_that_more_kills_would_stop_is_restarted_before(reused: System) -> None:
    launcher = reused.pids()[LAUNCHER]
    for _ in range(2):
        reused.kill("session")
        reused.prepare_for_kills(MAX_EXITS - 1)
    assert reused.pids()[LAUNCHER] != launcher


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_no_process_of_a_system_started_by_root_runs_as_root(running: System) -> None:
    users = {Path(f"/proc/{pid}").stat().st_uid for pid in running.pids().values()}
    assert users == {find_account().pw_uid}
    assert "Started as root: everything runs as the account 'agentapi'.\n" in running.output
