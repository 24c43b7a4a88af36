"""The commands of the README and the guides work as documented."""

import re
import signal
import subprocess
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from threading import Timer

import pytest
from contracts.catalogue import SERVICES
from gateway import settings as gateway
from identity import settings as identity
from mcp_registry import settings as mcp_registry
from onebox.backup.settings import BackupSettings
from onebox.children import SERVICE_SETTINGS, allowed_environment
from onebox.demo import DemoSettings
from onebox.keys import new_key_ring, new_symmetric_keys
from onebox.ports import ReservedPort
from onebox.settings import BoxSettings
from onebox.testing.system import System, until
from report import settings as report
from runtime.settings import is_secret, load
from session import settings as session
from simulator import settings as simulator
from task_scheduler import settings as task_scheduler
from webhook import settings as webhook

from tests.e2e.user import PATIENCE, User

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
SETTINGS = (ROOT / "docs" / "guides" / "settings.md").read_text()
GUIDES = [README, *(guide.read_text() for guide in (ROOT / "docs" / "guides").glob("*.md"))]


PROGRAM = re.compile(r"\.venv/bin/python -m \w+( +#.*)?$")
"""A program that runs until it is stopped, and has its settings in a module of this name."""


def programs() -> Iterator[str]:
    """Return the documented commands that start a single program, each with the exports before it."""
    for block in re.findall(r"```sh\n(.*?)```", "\n".join(GUIDES), re.DOTALL):
        exports = "".join(f"{line}\n" for line in block.splitlines() if line.startswith("export") and "_URL" in line)
        yield from (exports + line for line in block.splitlines() if PROGRAM.search(line))


def named(command: str) -> str:
    """Return the program that a command starts."""
    return command.rpartition("-m ")[2].split()[0]


def test_the_first_session_runs_as_documented(system: System) -> None:
    [script] = [block for block in re.findall(r"```sh\n(.*?)```", README, re.DOTALL) if "curl" in block]
    script = script.replace("http://127.0.0.1:8000", system.base_url)
    ran = subprocess.run(["bash", "-euc", script], capture_output=True, text=True, timeout=PATIENCE, check=True)
    assert '"tool_name":"Write"' in ran.stdout
    assert ran.stdout.endswith("\nhello, please\n")


def output(guide: str, client: User, folder: Path, /, **variables: str) -> str:
    """Return what the requests of a guide print, sent by a user; none of them may fail."""
    text = (ROOT / "docs" / "guides" / guide).read_text()
    blocks = [block for block in re.findall(r"```sh\n(.*?)```", text, re.DOTALL) if "curl" in block]
    variables |= {"api": str(client.http.base_url).rstrip("/"), "json": "content-type: application/json"}
    variables["auth"] = f"authorization: {client.http.headers['authorization']}"
    settings = [f"{name}='{value}'" for name, value in variables.items()]
    script = "\n".join([*settings, *blocks])
    ran = subprocess.run(
        ["bash", "-euxc", script], cwd=folder, capture_output=True, text=True, timeout=PATIENCE, check=False
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "urn:agentapi:problem" not in ran.stdout
    return ran.stdout


def test_the_commands_of_the_guide_to_tasks_work_as_documented(user: User, tmp_path: Path) -> None:
    printed: list[str] = []
    # The guide reads a stream for 3 s, in which a busy machine may send nothing.
    until(lambda: printed.append(output("tasks.md", user, tmp_path)) or "event: task.trigger_fired\n" in printed[-1])
    assert '"prompt":"Summarize the logs of' in printed[-1]
    assert printed[-1].count('"execution_id":') >= 2


def test_the_commands_of_the_guide_to_the_edge_work_as_documented(user: User, tmp_path: Path) -> None:
    printed = output("edge.md", user, tmp_path)
    assert printed.count("idempotent-replayed: true") == 1
    assert "HTTP/1.1 304" in printed
    assert '"name":"Renamed"' in printed
    assert printed.endswith("stale: 412\n")


def test_the_commands_of_the_guide_to_administration_work(admin: User, tmp_path: Path) -> None:
    assert output("admin.md", admin, tmp_path).count('"sums":') == 3


def test_the_commands_of_the_guide_to_sessions_work(user: User, tmp_path: Path) -> None:
    printed = output("sessions.md", user, tmp_path)
    assert '"status":"approved"' in printed
    assert '"name":"Another way"' in printed
    assert (tmp_path / "workspace.tar.zst").stat().st_size


def test_the_command_of_the_guide_to_quotas_works(admin: User, user: User, tmp_path: Path) -> None:
    assert '"concurrent_runs":10' in output("quotas.md", admin, tmp_path, user=user.id())


def test_the_command_of_the_guide_to_the_audit_log_works(admin: User, tmp_path: Path) -> None:
    output("audit.md", admin, tmp_path)
    assert '"action":' in (tmp_path / "audit.jsonl").read_text()


@pytest.mark.parametrize("guide", ["api.md", "authentication.md", "webhooks.md"])
def test_the_requests_of_a_guide_succeed(guide: str, user: User, tmp_path: Path) -> None:
    assert output(guide, user, tmp_path)


def test_the_requests_of_the_guide_to_reports_create_one(user: User, tmp_path: Path) -> None:
    assert "/download?link=" in output("reports.md", user, tmp_path, id=user.create())
    assert (tmp_path / "report.html").read_text().startswith("<!DOCTYPE html>")


def test_the_request_of_the_guide_to_nats_creates_a_bus_user(user: User, tmp_path: Path) -> None:
    output("bus.md", user, tmp_path)
    assert '"seed":' in (tmp_path / "bus-user.json").read_text()


def test_every_root_entry_is_described() -> None:
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    visible = {line.split("/")[0] for line in tracked.splitlines() if not line.startswith(".")}
    the_map = README.partition("## Repository")[2]
    assert [place for place in sorted(visible - {"README.md"}) if place not in the_map] == []
    assert len(visible) <= 17


def test_every_guide_and_runbook_is_listed() -> None:
    pages = [
        f"docs/{folder}/{page.name}" for folder in ("guides", "runbooks") for page in (ROOT / "docs" / folder).iterdir()
    ]
    assert [page for page in pages if f"({page})" not in README] == []


PROGRAMS = (gateway, identity, mcp_registry, report, session, simulator, task_scheduler, webhook)
FIELDS = {
    name.upper(): field
    for kind in (BoxSettings, BackupSettings, DemoSettings, *(program.Settings for program in PROGRAMS))
    for name, field in kind.model_fields.items()
}
ROWS = re.findall(r"^\| (`[A-Z0-9_]+`(?: ²)?(?:, `[A-Z0-9_]+`(?: ²)?)*)(?: ¹)? \|", SETTINGS, re.MULTILINE)


def test_every_setting_is_in_the_table() -> None:
    assert {name for row in ROWS for name in re.findall(r"[A-Z0-9_]+", row)} == FIELDS.keys() | set(SERVICE_SETTINGS)


def test_the_secrets_among_the_settings_are_marked() -> None:
    marked = {name for row in ROWS for name in re.findall(r"([A-Z0-9_]+)` ²", row)}
    assert marked == {name for name, field in FIELDS.items() if is_secret(field)}


def test_what_is_named_like_a_secret_is_one() -> None:
    named = {name for name in FIELDS if re.search(r"PASSWORD|_KEYS?$|(DATABASE|NATS)_URL$", name)}
    assert {"DATABASE_URL", "NATS_URL", "SECRETS_KEYS"} < named
    assert [name for name in sorted(named) if not is_secret(FIELDS[name])] == []


def make_keys(folder: Path) -> None:
    """Create the files of keys that the commands name."""
    (folder / "keys").mkdir()
    (folder / "keys" / "ring.json").write_text(new_key_ring())
    for ring in ("secrets", "replay"):
        (folder / "keys" / f"{ring}.json").write_text(new_symmetric_keys())


def test_the_settings_of_each_program_are_as_documented(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_keys(tmp_path)
    for command in programs():
        *exports, line = (settings_in(part, tmp_path) for part in command.split("\n"))
        program = import_module(f"{named(command)}.settings").Settings
        assert {name.lower() for name in line} <= program.model_fields.keys(), command
        with monkeypatch.context() as environment:
            for name, value in [pair for each in (*exports, line) for pair in each.items()]:
                environment.setenv(name, value)
            load(program)


def settings_in(text: str, folder: Path) -> dict[str, str]:
    """Return the variables that a line of a shell sets, with files in this folder."""
    return dict(re.findall(r"([A-Z_]+)=(\S+)", text.replace(".data", str(folder))))


STARTED = ("identity", "gateway")
"""With and without a database; the others differ in their settings."""


@pytest.mark.parametrize(
    "command",
    [
        pytest.param(command, id=named(command), marks=() if named(command) in STARTED else pytest.mark.long)
        for command in programs()
    ],
)
def test_each_program_starts_alone_as_documented(
    command: str, tmp_path: Path, database_url: str, nats_url: str
) -> None:
    make_keys(tmp_path)
    command = re.sub(r"postgresql://\S+", f"'{database_url}'", command).replace(".data", str(tmp_path))
    command = re.sub(r"nats://\S+", f"'{nats_url}'", command)
    with ReservedPort() as port, started(command, port.number) as running:
        guard = Timer(PATIENCE, running.kill)
        guard.start()
        said = next((line for line in running.stdout or () if '"ready"' in line or "Running on" in line), "")
        running.send_signal(signal.SIGTERM)
        assert running.wait() == 0
        guard.cancel()
    assert said


def started(command: str, port: int) -> subprocess.Popen[str]:
    environment = allowed_environment() | {"PORT": str(port), "PYTHONUNBUFFERED": "1"}
    return subprocess.Popen(["bash", "-c", command], cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True)


def test_the_single_services_are_documented() -> None:
    assert {named(command) for command in programs()} == {*SERVICES, "gateway", "simulator"}


def test_the_demo_runs_as_the_banner_says(system: System) -> None:
    [shown] = re.findall(r"try it +(.*make demo)", system.output)
    ran = subprocess.run(
        ["bash", "-c", shown], cwd=ROOT, env=allowed_environment(), capture_output=True, text=True, check=False
    )
    assert ran.stdout.endswith("The demo succeeded.\n"), ran.stdout + ran.stderr
