from typing import Literal

import pytest
from runtime.settings import Settings, WrongSettings, load, misspelt


class Sample(Settings):
    nats_url: str
    size: int | None = None
    limit: int | Literal["none"] = "none"


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NATS_URL", "nats://here")


def test_a_setting_is_read_from_the_variable_of_its_name() -> None:
    assert load(Sample).nats_url == "nats://here"


def test_an_empty_variable_counts_as_unset(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SIZE", "")
    assert load(Sample).size is None


def test_a_missing_setting_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NATS_URL", "")
    with pytest.raises(WrongSettings, match=r"^NATS_URL: Field required$"):
        load(Sample)


@pytest.mark.parametrize(("name", "value"), [("SIZE", "big"), ("LIMIT", "low"), ("LOG_LEVEL", "LOUD")])
def test_a_setting_that_cannot_be_used_is_named(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(WrongSettings, match=f"^{name}: "):
        load(Sample)


def test_all_that_is_wrong_is_told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NATS_URL", "")
    monkeypatch.setenv("SIZE", "big")
    with pytest.raises(WrongSettings, match=r"NATS_URL: .*\nSIZE: "):
        load(Sample)


def test_a_log_level_may_be_written_small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOG_LEVEL", "debug")
    assert load(Sample).log_level == "DEBUG"


def test_a_misspelt_variable_is_warned_about_with_the_nearest_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REGISTRATION_OPN", "secret")
    warning = "REGISTRATION_OPN is not a setting and has no effect. Did you mean REGISTRATION_OPEN?"
    assert misspelt({"REGISTRATION_OPEN", "PORT"}) == [warning]


def test_a_variable_with_a_known_prefix_is_warned_about_however_unlike(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MODEL_HOST", "secret")
    [warning] = misspelt({"MODEL_BASE_URL", "PORT"}, ("MODEL_",))
    assert warning.endswith("Did you mean MODEL_BASE_URL?")


@pytest.mark.parametrize("name", ["HOSTNAME", "ANTHROPIC_MODEL", "CLAUDE_MODELS", "SUPPORT", "MODELS", "models"])
def test_other_variables_are_left_alone(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(name, "x")
    assert misspelt({"HOST", "PORT", "MODELS"}) == []
