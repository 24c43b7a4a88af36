"""Installing Pango at the start: once, by root only, and without ever preventing the start."""

import os
from pathlib import Path

import pytest
from onebox import pango
from onebox.pango import ATTEMPTED, ensure_pango


@pytest.fixture
def apt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The log of a fake apt-get, which root would use because Pango is missing."""
    programs, log = tmp_path / "programs", tmp_path / "log"
    programs.mkdir()
    log.touch()
    write(programs / "apt-get", f'echo "$@" >> {log}')
    monkeypatch.setenv("PATH", f"{programs}:{os.defpath}")
    monkeypatch.setattr(pango, "is_installed", lambda: False)
    monkeypatch.setattr("os.geteuid", lambda: 0)
    return log


def write(program: Path, script: str) -> None:
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)


def test_root_installs_pango_and_says_so(apt: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ensure_pango(tmp_path / "data")
    [line] = apt.read_text().splitlines()
    assert line.startswith("--quiet --yes install --no-install-recommends libpango-1.0-0")
    assert "Installing Pango" in "".join(capsys.readouterr())


def test_lists_of_packages_are_updated_if_they_are_missing(apt: Path, tmp_path: Path) -> None:
    write(tmp_path / "programs/apt-get", f'echo "$@" >> {apt}; [ $3 = update ]')
    ensure_pango(tmp_path / "data")
    assert [line.split()[2] for line in apt.read_text().splitlines()] == ["install", "update", "install"]


def test_an_attempt_that_failed_is_not_repeated(apt: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(tmp_path / "programs/apt-get", f'echo "$@" >> {apt}; exit 1')
    ensure_pango(tmp_path / "data")
    assert "could not be installed" in "".join(capsys.readouterr())
    before = apt.read_text()
    ensure_pango(tmp_path / "data")
    assert apt.read_text() == before
    assert (tmp_path / "data" / ATTEMPTED).exists()


def test_an_installation_that_hangs_is_given_up(
    apt: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write(tmp_path / "programs/apt-get", "exec sleep 60")
    monkeypatch.setattr(pango, "INSTALL_TIMEOUT", 0.1)
    ensure_pango(tmp_path / "data")
    assert apt.read_text() == ""
    assert "could not be installed" in "".join(capsys.readouterr())


def test_without_root_the_advice_is_one_line(
    apt: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    ensure_pango(tmp_path / "data")
    [line] = "".join(capsys.readouterr()).strip().splitlines()
    assert "apt-get install libpango-1.0-0" in line
    assert apt.read_text() == ""


def test_nothing_happens_where_pango_is_installed(
    apt: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(pango, "is_installed", lambda: True)
    ensure_pango(tmp_path / "data")
    assert "".join(capsys.readouterr()) + apt.read_text() == ""
