"""Garbage collection while modules are imported."""

import gc
from collections.abc import Generator
from contextlib import suppress

import pytest
from runtime.loading import loading


@pytest.fixture(autouse=True)
def unfrozen() -> Generator[None]:
    """Let the collector go through everything again after the test."""
    yield
    gc.unfreeze()


def test_nothing_is_collected_while_modules_are_imported() -> None:
    with loading():
        assert not gc.isenabled()


def test_collection_is_enabled_again_after_the_imports() -> None:
    with loading():
        pass
    assert gc.isenabled()


def test_collection_is_enabled_again_after_a_failed_import() -> None:
    with suppress(ImportError), loading():
        raise ImportError
    assert gc.isenabled()


def test_the_collector_skips_what_was_imported() -> None:
    before = gc.get_freeze_count()
    with loading():
        imported = [[number] for number in range(1000)]
    assert gc.get_freeze_count() >= before + len(imported)
