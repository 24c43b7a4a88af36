"""Installing Pango beside the start: by root only, bounded, and without ever preventing the start."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from onebox import pango
from onebox.pango import install, install_in_background


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


def steps(log: Path) -> list[str]:
    """Return what apt-get was asked to do, by the first word that is no option of all commands."""
    return [line.split()[len(pango.OPTIONS)] for line in log.read_text().splitlines()]


def test_packages_are_downloaded_before_they_are_installed(apt: Path) -> None:
    assert install(os.getpid()) is None
    assert steps(apt) == ["--download-only", "--no-download"]
    assert "install --no-install-recommends libpango-1.0-0" in apt.read_text()


def test_lists_of_packages_are_updated_if_they_are_missing(apt: Path) -> None:
    lists = apt.with_name("lists")
    write(
        apt.parent / "programs/apt-get",
        f'echo "$@" >> {apt}; case "$@" in *update) touch {lists};; esac; test -e {lists}',
    )
    assert install(os.getpid()) is None
    assert steps(apt) == ["--download-only", "update", "--download-only", "--no-download"]


def test_the_reason_why_an_installation_failed_is_returned(apt: Path) -> None:
    write(apt.parent / "programs/apt-get", "echo Reading; echo 'E: no network' >&2; exit 100")
    assert install(os.getpid()) == "E: no network"


def test_a_download_that_hangs_is_given_up(apt: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(apt.parent / "programs/apt-get", "sleep 60")
    monkeypatch.setattr(pango, "DOWNLOAD_SECONDS", 0.1)
    assert install(os.getpid()) == "it did not end within 0.1 s"


def test_a_download_ends_with_the_system_that_wanted_it(apt: Path) -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    write(apt.parent / "programs/apt-get", "sleep 60")
    assert install(ended.pid) is not None


@pytest.mark.parametrize(("user", "installed"), [(1000, False), (0, True)])
def test_nothing_is_installed_by_others_than_root_or_twice(
    apt: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], user: int, installed: bool
) -> None:
    monkeypatch.setattr("os.geteuid", lambda: user)
    monkeypatch.setattr(pango, "is_installed", lambda: installed)
    install_in_background()
    assert "".join(capsys.readouterr()) + apt.read_text() == ""
