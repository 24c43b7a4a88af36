from pathlib import Path
from typing import Literal

import pytest
from runtime.settings import FolderList, InvalidSettings, Settings, folders, load, misspelled_settings


class Sample(Settings):
    nats_url: str
    size: int | None = None
    limit: int | Literal["none"] = "none"


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NATS_URL", "nats://here")


def test_a_setting_is_read_from_its_variable() -> None:
    assert load(Sample).nats_url == "nats://here"


def test_an_empty_variable_counts_as_unset(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SIZE", "")
    assert load(Sample).size is None


def test_a_missing_setting_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NATS_URL", "")
    with pytest.raises(InvalidSettings, match=r"^NATS_URL: this variable must be set$"):
        load(Sample)


@pytest.mark.parametrize(("name", "value"), [("SIZE", "big"), ("LIMIT", "low"), ("LOG_LEVEL", "LOUD")])
def test_an_invalid_setting_is_named_with_the_reason(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(InvalidSettings, match=f"^{name}: must be "):
        load(Sample)


def test_all_invalid_settings_are_reported_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NATS_URL", "")
    monkeypatch.setenv("SIZE", "big")
    with pytest.raises(InvalidSettings, match=r"NATS_URL: .*\nSIZE: "):
        load(Sample)


def test_a_log_level_may_be_in_lower_case(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOG_LEVEL", "debug")
    assert load(Sample).log_level == "DEBUG"


def test_a_misspelled_variable_warns_and_suggests_a_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REGISTRATION_OPN", "secret")
    warning = "REGISTRATION_OPN is not a setting and has no effect. Did you mean REGISTRATION_OPEN?"
    assert misspelled_settings({"REGISTRATION_OPEN", "PORT"}) == [warning]


def test_an_unknown_variable_with_a_known_prefix_warns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MODEL_HOST", "secret")
    [warning] = misspelled_settings({"MODEL_BASE_URL", "PORT"}, ("MODEL_",))
    assert warning.endswith("Did you mean MODEL_BASE_URL?")


@pytest.mark.parametrize("name", ["HOSTNAME", "ANTHROPIC_MODEL", "CLAUDE_MODELS", "SUPPORT", "MODELS", "models"])
def test_other_variables_do_not_warn(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(name, "x")
    assert misspelled_settings({"HOST", "PORT", "MODELS"}) == []


class WithFolders(Settings):
    program_dirs: FolderList = ""


def test_folders_are_separated_by_colons(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROGRAM_DIRS", "/opt/tools:/srv")
    assert folders(load(WithFolders).program_dirs) == (Path("/opt/tools"), Path("/srv"))


def test_a_relative_folder_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROGRAM_DIRS", "/opt/tools:srv")
    with pytest.raises(InvalidSettings, match=r"^PROGRAM_DIRS: must contain absolute paths only"):
        load(WithFolders)
