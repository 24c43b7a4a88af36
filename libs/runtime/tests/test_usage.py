from argparse import ArgumentParser

import pytest
from pydantic import Field
from runtime.settings import Settings
from runtime.usage import ProgramCommand, chosen_command, refuse_arguments, show_help, variables


class ShopSettings(Settings):
    database_url: str = Field(repr=False)
    open_seconds: float = 60.0
    motto: str | None = None
    is_public: bool = True
    tills: int = Field(default_factory=lambda: 3)


class RestockSettings(Settings):
    shelves: int


def exit_of(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> object:
    monkeypatch.setattr("sys.argv", ["shop", *arguments])
    with pytest.raises(SystemExit) as ended:
        refuse_arguments("shop", ShopSettings)
    return ended.value.code


def test_the_variables_of_a_program_are_listed_with_their_defaults() -> None:
    rows = [line.split() for line in variables(ShopSettings).splitlines()[1:-1]]
    assert ["DATABASE_URL", "*", "required"] in rows
    assert ["OPEN_SECONDS", "60"] in rows
    assert ["MOTTO"] in rows
    assert ["IS_PUBLIC", "true"] in rows
    assert ["TILLS", "3"] in rows


def test_a_service_prints_its_help(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert exit_of(monkeypatch, "--help") == 0
    assert "DATABASE_URL" in capsys.readouterr().out


def test_a_service_refuses_an_argument(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert exit_of(monkeypatch, "now") == 2
    assert "unrecognized arguments: now" in capsys.readouterr().err


def test_a_service_without_arguments_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["shop"])
    refuse_arguments("shop", ShopSettings)


def add_shelf(parser: ArgumentParser) -> None:
    parser.add_argument("shelf", nargs="?", type=int)


COMMANDS = {"restock": ProgramCommand("fill the shelves", RestockSettings, add_shelf)}


def test_a_command_of_a_service_is_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["shop", "restock", "3"])
    chosen = chosen_command("shop", ShopSettings, COMMANDS)
    assert chosen
    assert (chosen.command, chosen.shelf) == ("restock", 3)


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["--help"], 0, ["DATABASE_URL * required", "restock fill the shelves"]),
        (["restock", "--help"], 0, ["Fill the shelves.", "SHELVES required"]),
        (["close"], 2, ["invalid choice: 'close'"]),
        (["restock", "now"], 2, ["invalid int value: 'now'"]),
        (["restock", "3", "now"], 2, ["unrecognized arguments: now"]),
    ],
)
def test_other_arguments_end_a_service_with_commands(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    code: int,
    said: list[str],
) -> None:
    monkeypatch.setattr("sys.argv", ["shop", *arguments])
    with pytest.raises(SystemExit) as ended:
        chosen_command("shop", ShopSettings, COMMANDS)
    assert ended.value.code == code
    words = " ".join("".join(capsys.readouterr()).split())
    assert [text for text in said if text not in words] == []


def test_a_command_prints_its_help(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        show_help("usage: open", ["open", "-h"])
    assert ended.value.code == 0
    assert capsys.readouterr().out == "usage: open\n"
