"""The short form of `make chaos`."""

import subprocess
import sys

import pytest

from tests.chaos.cluster import PAIRS
from tests.chaos.faults import plan

TIMEOUT_SECONDS = 170
"""Most of it is spent waiting for targets to recover."""


@pytest.mark.usefixtures("servers")
def test_invariants_hold_after_faults_of_every_kind() -> None:
    run("tests.chaos", "--seed", "10", "--faults", "8", "--pace", "4")


@pytest.mark.usefixtures("servers")
def test_invariants_hold_after_a_restore_into_a_new_cluster() -> None:
    run("tests.chaos", "--seed", "10", "--faults", "2", "--pace", "4", "--restore")


@pytest.mark.usefixtures("servers")
def test_keyed_requests_have_one_effect_while_services_are_killed() -> None:
    run("tests.chaos.keys", "--seed", "10", "--requests", "60")


def run(*command: str) -> None:
    finished = subprocess.run(
        [sys.executable, "-m", *command], capture_output=True, text=True, timeout=TIMEOUT_SECONDS, check=False
    )
    assert finished.returncode == 0, f"{finished.stdout}\n{finished.stderr}"


def test_a_seed_repeats_faults_of_every_kind_on_every_target() -> None:
    one, again, other = (plan(seed, len(PAIRS)) for seed in (1, 1, 2))
    assert one == again != other
    assert {(fault.kind, fault.target) for fault in one} == set(PAIRS)
