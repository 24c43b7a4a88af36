import os
from pathlib import Path
from typing import Annotated, Literal

import pytest
from pydantic import Field, FilePath, HttpUrl, SecretStr
from runtime.settings import (
    MAY_BE_EMPTY,
    FolderList,
    InvalidSettings,
    Settings,
    folders,
    load,
    misspelled_settings,
    variables_of,
)


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


class Converted(Settings):
    enabled: bool = True
    share: float = 0.5
    number: int = 1
    name: str = Field("", max_length=3)
    catalog: FilePath | None = None
    address: HttpUrl | None = None


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("ENABLED", "must be true or false"),
        ("SHARE", "must be a number"),
        ("NUMBER", "must be a whole number"),
        ("NAME", "must have at most 3 characters"),
        ("CATALOG", "there is no such file"),
        ("ADDRESS", "must be a URL that begins with https:// or http://"),
    ],
)
def test_the_reason_has_no_words_of_pydantic(monkeypatch: pytest.MonkeyPatch, name: str, reason: str) -> None:
    monkeypatch.setenv(name, "somewhere")
    with pytest.raises(InvalidSettings, match=f"^{name}: {reason}$"):
        load(Converted)


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


class WithSecrets(Settings):
    bus_url: str = Field(repr=False, pattern="^nats:")
    password: SecretStr | None = None
    token: Annotated[str | None, MAY_BE_EMPTY] = Field(default=None, repr=False)
    port: int = 1


@pytest.fixture
def secret_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "bus-url"
    path.write_text("nats://here\n")
    monkeypatch.setenv("BUS_URL_FILE", str(path))
    return path


def test_a_secret_is_read_from_the_file_that_a_variable_names(secret_file: Path) -> None:
    assert load(WithSecrets).bus_url == "nats://here"


def test_a_secret_that_is_a_secret_string_is_read_from_a_file(
    secret_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PASSWORD_FILE", str(secret_file))
    assert load(WithSecrets).password == SecretStr("nats://here")


def test_a_file_that_may_be_empty_leaves_its_secret_unset(secret_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (empty := secret_file.with_name("later")).touch()
    monkeypatch.setenv("TOKEN_FILE", str(empty))
    assert load(WithSecrets).token is None


def test_what_is_no_secret_is_not_read_from_a_file(secret_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PORT_FILE", str(secret_file))
    assert load(WithSecrets).port == 1


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "the file is empty"),
        (b"\r\n\n", "the file is empty"),
        (b"\xff", "the file does not contain UTF-8 text"),
        (b"n" * 65_537, "the file has more than 65536 bytes"),
        (b"http://here", "must match pattern"),
    ],
)
def test_an_unusable_secret_in_a_file_is_reported(secret_file: Path, content: bytes, reason: str) -> None:
    secret_file.write_bytes(content)
    with pytest.raises(InvalidSettings, match=f"^BUS_URL_FILE: {reason}[^\n]*$"):
        load(WithSecrets)


@pytest.mark.parametrize(
    ("name", "reason"), [("missing", r"the file cannot be read \(No such file"), ("", "this is not a file")]
)
def test_a_path_without_a_file_is_reported_but_not_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, reason: str
) -> None:
    monkeypatch.setenv("BUS_URL_FILE", str(tmp_path / name))
    with pytest.raises(InvalidSettings, match=f"^BUS_URL_FILE: {reason}") as refusal:
        load(WithSecrets)
    assert str(tmp_path) not in str(refusal.value)


def test_a_named_pipe_is_refused_instead_of_waited_for(secret_file: Path) -> None:
    secret_file.unlink()
    os.mkfifo(secret_file)
    with pytest.raises(InvalidSettings, match=r"^BUS_URL_FILE: this is not a file$"):
        load(WithSecrets)


def test_a_secret_that_is_given_twice_is_refused(secret_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BUS_URL", "nats://there")
    with pytest.raises(InvalidSettings, match=r"^BUS_URL_FILE: BUS_URL is set, too\. Unset one of the two$"):
        load(WithSecrets)


def test_mistakes_in_files_and_variables_are_reported_together(
    secret_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret_file.write_text("")
    monkeypatch.setenv("PORT", "first")
    with pytest.raises(InvalidSettings, match=r"^BUS_URL_FILE: .*\nPORT: [^\n]*$"):
        load(WithSecrets)


def test_a_misspelled_name_of_a_file_of_a_secret_warns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BUS_URL_FILE", "x")
    monkeypatch.setenv("BUS_URL_FLIE", "x")
    [warning] = misspelled_settings(variables_of(WithSecrets))
    assert warning == "BUS_URL_FLIE is not a setting and has no effect. Did you mean BUS_URL_FILE?"
