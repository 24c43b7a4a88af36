from pathlib import Path

import pytest
from onebox.settings import BoxSettings
from runtime.settings import PUBLIC_MODEL, InvalidSettings, load


@pytest.mark.parametrize(
    ("host", "public_url", "browser_url"),
    [
        ("127.0.0.1", None, "http://127.0.0.1:8000"),
        ("0.0.0.0", None, "http://127.0.0.1:8000"),  # noqa: S104  a setting of operators
        ("::", None, "http://[::1]:8000"),
        ("192.0.2.1", None, "http://localhost:8000"),
        ("192.0.2.1", "https://agents.example.com", "https://agents.example.com"),
    ],
)
def test_browsers_return_to_the_address_that_the_banner_shows(host: str, public_url: str | None, browser_url: str):
    assert BoxSettings(host=host, public_url=public_url).browser_url == browser_url


def test_without_model_settings_there_is_no_model() -> None:
    assert load(BoxSettings).model is None


def test_a_key_without_a_url_means_the_public_model(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MODEL_API_KEY", "key")
    assert load(BoxSettings).model == PUBLIC_MODEL


def test_a_url_without_a_key_means_a_local_model(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MODEL_BASE_URL", "http://localhost:11434")
    assert load(BoxSettings).model == "http://localhost:11434"


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("PORT", "eighty", "whole number"),
        ("PORT", "70000", "less than or equal to 65535"),
        ("ADMIN_EMAIL", "nobody", "@"),
        ("ADMIN_PASSWORD", "short", "at least 8 characters"),
        ("MODEL_BASE_URL", "localhost:11434", "must begin with"),
        ("MODEL_BASE_URL", "http://", "is not a URL"),
        ("MODEL_BASE_URL", "http://me:plantedsecret@", "is not a URL"),
        ("MODEL_BASE_URL", "http://localhost:port", "is not a URL"),
        ("DATABASE_URL", "mysql://localhost/app", "must begin with"),
        ("MIGRATION_DATABASE_URL", "postgresql://localhost/app", "set DATABASE_URL, too"),
        ("NATS_URL", "localhost:4222", "must begin with"),
    ],
)
def test_an_invalid_setting_is_named_with_the_reason(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, reason: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(InvalidSettings, match=f"^{name}: .*{reason}") as refusal:
        load(BoxSettings)
    assert "secret" not in str(refusal.value)


def test_the_url_of_a_database_may_be_in_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "url").write_text("mysql://localhost/app\n")
    monkeypatch.setenv("DATABASE_URL_FILE", str(tmp_path / "url"))
    with pytest.raises(InvalidSettings, match=r"^DATABASE_URL_FILE: must begin with postgresql://"):
        load(BoxSettings)


def test_secrets_are_not_in_the_repr(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("ADMIN_PASSWORD", "plantedsecret"), ("MODEL_API_KEY", "plantedsecret")):
        monkeypatch.setenv(name, value)
    assert "plantedsecret" not in repr(load(BoxSettings))
