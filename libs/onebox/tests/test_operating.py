"""Commands of services find the stores of the running system."""

from pathlib import Path
from unittest.mock import Mock

import pytest
from onebox import operating
from onebox.operating import OperatingSettings, main

CONFIGURATION = """listen: "127.0.0.1:4333"
authorization { users: [
{ user: gateway, password: "one" }
{ user: operator, password: "two" }
] }
"""


def urls(**settings: object) -> dict[str, str]:
    return OperatingSettings.model_validate(settings).stores()


def test_the_stores_of_make_run_are_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(operating, "url_of_running", Mock(return_value="postgresql://agentapi@/agentapi?host=/run"))
    (tmp_path / "nats").mkdir()
    (tmp_path / "nats" / "nats.conf").write_text(CONFIGURATION)
    (tmp_path / "keys").mkdir()
    (tmp_path / "keys" / "ring.json").touch()
    assert urls(data_dir=tmp_path) == {
        "DATABASE_URL": "postgresql://agentapi_service@/agentapi?host=/run",
        "MIGRATION_DATABASE_URL": "postgresql://agentapi@/agentapi?host=/run",
        "NATS_URL": "nats://operator:two@127.0.0.1:4333",
        "KEY_RING_FILE": str(tmp_path / "keys" / "ring.json"),
    }


def test_external_stores_are_used_as_they_are_set(tmp_path: Path) -> None:
    external = {"database_url": "postgresql://a@b/c", "nats_url": "nats://d"}
    assert urls(data_dir=tmp_path, **external) == {"DATABASE_URL": "postgresql://a@b/c", "NATS_URL": "nats://d"}


@pytest.mark.parametrize(
    ("service", "code", "said"), [("session", 1, "No system is running there"), ("sessions", 2, "There are: identity")]
)
def test_without_a_system_or_a_service_the_reason_is_said(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    service: str,
    code: int,
    said: str,
) -> None:
    monkeypatch.setenv("DATA_DIR", str(tmp_path))
    assert main([service, "rebuild"]) == code
    assert said in capsys.readouterr().err


def test_a_command_of_the_service_gets_its_arguments(monkeypatch: pytest.MonkeyPatch) -> None:
    become = Mock()
    monkeypatch.setenv("DATABASE_URL", "postgresql://a@b/c")
    monkeypatch.setattr(operating, "_become", become)
    main(["task-scheduler", "dead-letters", "retry", "7", "--help"])
    assert become.call_args.args[0][2:] == ["-m", "task_scheduler", "dead-letters", "retry", "7", "--help"]
