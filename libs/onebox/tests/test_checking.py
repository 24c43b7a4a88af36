"""All settings are checked before anything starts."""

from contextlib import nullcontext
from pathlib import Path

import pytest
from onebox.checking import checked_settings
from runtime.settings import InvalidSettings

WRONG = {
    "PORT": "99999",
    "RATE_LIMITS": "many",
    "QUOTAS": "bogus",
    "CEILINGS": "bogus",
    "MCP_ALLOWED_ADDRESSES": ":::",
    "LOGIN_FAILURES_PER_ACCOUNT": "0",
    "EVENT_EXECUTIONS_PER_HOUR": "0",
    "REPORT_WORKERS": "0",
    "ADMIN_PASSWORD": "password1",
}


def test_mistakes_in_settings_of_all_services_are_reported_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in WRONG.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(InvalidSettings) as refusal:
        checked_settings()
    assert sorted(line.partition(":")[0] for line in str(refusal.value).splitlines()) == sorted(WRONG)
    assert "password1" not in str(refusal.value)


def test_a_password_in_a_file_is_checked_by_the_service(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "password").write_text("password1")
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    monkeypatch.setenv("ADMIN_PASSWORD_FILE", str(tmp_path / "password"))
    with pytest.raises(InvalidSettings, match=r"^ADMIN_PASSWORD_FILE: is one of the most common passwords.*$"):
        checked_settings()


def test_settings_of_services_that_the_system_adds_are_not_missed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    monkeypatch.setenv("RATE_LIMITS", "none")
    monkeypatch.setenv("PORT", "8001")
    assert checked_settings().port == 8001


@pytest.mark.parametrize(("user", "refused"), [(1000, True), (0, False)])  # root is about to start it as another user
def test_a_mistake_that_a_service_finds_is_refused_unless_for_root(
    monkeypatch: pytest.MonkeyPatch, user: int, *, refused: bool
) -> None:
    monkeypatch.setattr("os.geteuid", lambda: user)
    monkeypatch.setattr("onebox.checking._mistakes_of_services", lambda: ["QUOTAS: wrong"])
    with pytest.raises(InvalidSettings, match=r"^QUOTAS: wrong$") if refused else nullcontext():
        checked_settings()


def test_a_service_that_cannot_be_imported_is_left_to_its_own_start(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(name: str) -> None:
        raise ImportError(name)

    monkeypatch.setattr("os.geteuid", lambda: 1000)
    monkeypatch.setenv("QUOTAS", "bogus")
    monkeypatch.setattr("onebox.checking.import_module", fail)
    assert checked_settings()
