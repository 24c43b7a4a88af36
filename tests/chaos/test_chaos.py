"""The short form of `make chaos`."""

import subprocess
import sys
from itertools import islice, product
from pathlib import Path

import pytest

from tests.chaos import clock, kills
from tests.chaos.cluster import PAIRS
from tests.chaos.faults import plan
from tests.chaos.surroundings import DAY_SECONDS, WORKSPACES, Surroundings

pytestmark = pytest.mark.timeout(920)

HANG_SECONDS = 900
"""For a program that hangs. Each wait in these programs has its own limit; together they take more than three minutes
of a busy machine with two processors, where the restore starts 28 services."""


@pytest.mark.long
@pytest.mark.usefixtures("servers")
def test_invariants_hold_after_faults_of_every_kind() -> None:
    run("tests.chaos", "--seed", "10", "--faults", "8", "--pace", "4")


@pytest.mark.long
@pytest.mark.usefixtures("servers")
def test_invariants_hold_after_a_restore_into_a_new_cluster() -> None:
    run("tests.chaos", "--seed", "10", "--faults", "2", "--pace", "4", "--restore")


@pytest.mark.long
@pytest.mark.usefixtures("servers")
def test_keyed_requests_have_one_effect_while_services_are_killed() -> None:
    run("tests.chaos.keys", "--seed", "10", "--requests", "60")


@pytest.mark.long
@pytest.mark.usefixtures("servers")
def test_runs_that_are_killed_end_honestly_and_repeat_nothing() -> None:
    run("tests.chaos.kills", "--seed", "3", "--kills", "5")


@pytest.mark.long
@pytest.mark.usefixtures("servers")
def test_a_rolling_restart_of_every_service_interrupts_no_run() -> None:
    run("tests.chaos.rolling")


@pytest.fixture
def around(tmp_path: Path) -> Surroundings:
    (tmp_path / "workspaces").mkdir()
    return Surroundings(tmp_path, tmp_path / "workspaces")


def test_a_process_can_be_given_a_wrong_clock_and_the_right_one(around: Surroundings, tmp_path: Path) -> None:
    command = around.with_clock("report-1", ["python", "-P", "-m", "this"])
    around.set_clock_wrong("report-1")
    assert (clock.OffsetFile(tmp_path / "report-1.clock").seconds, command[-1]) == (DAY_SECONDS, "this")
    assert around.mend("report-1")
    assert not around.mend("report-1")


def test_a_hidden_folder_cannot_be_used_and_comes_back_whole(around: Surroundings, tmp_path: Path) -> None:
    (tmp_path / "workspaces" / "a.txt").touch()
    around.hide_folder(WORKSPACES)
    with pytest.raises(OSError, match="Not a directory"):
        (tmp_path / "workspaces" / "b.txt").touch()
    assert around.mend(WORKSPACES)
    assert [path.name for path in (tmp_path / "workspaces").iterdir()] == ["a.txt"]


def run(*command: str) -> None:
    finished = subprocess.run(
        [sys.executable, "-m", *command], capture_output=True, text=True, timeout=HANG_SECONDS, check=False
    )
    assert finished.returncode == 0, f"{finished.stdout}\n{finished.stderr}"


def test_every_victim_is_killed_at_every_moment() -> None:
    one, again, other = ([*islice(kills.plan(seed), len(kills.VICTIMS))] for seed in (1, 1, 2))
    assert one == again != other
    planned = {(kill.moment, volley.victim) for volley in one for kill in volley.kills}
    assert planned == set(product(kills.MOMENTS, kills.VICTIMS))


def test_a_seed_repeats_faults_of_every_kind_on_every_target() -> None:
    one, again, other = (plan(seed, len(PAIRS)) for seed in (1, 1, 2))
    assert one == again != other
    assert {(fault.kind, fault.target) for fault in one} == set(PAIRS)
