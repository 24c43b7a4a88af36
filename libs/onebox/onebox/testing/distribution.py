"""Which process runs which tests: those that share a whole system run in one, which stops it after the last of them.

A fixture of a whole system has the scope `session`, and a name that ends in `system`. Tests that lay out PDFs run in
one process, too, because it takes longer to load the libraries than to use them.
"""

from collections.abc import Generator
from typing import Any, cast

import pytest
from _pytest.nodeid import NodeId
from xdist import is_xdist_worker
from xdist.remote import Producer
from xdist.scheduler import LoadGroupScheduling, Scheduling

from onebox.testing import LAYOUT

_SUFFIX = "system"


class Distribution(LoadGroupScheduling):
    """Hands out the tests of one group, or of one module, to one process."""

    def _split_scope(self, nodeid: str) -> str:
        return super()._split_scope(nodeid).partition("::")[0]


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> Scheduling:
    """Return the scheduler of this project."""
    return Distribution(config, log)


@pytest.hookimpl(wrapper=True)
def pytest_xdist_auto_num_workers() -> Generator[None, int, int]:
    """Start two processes for each core with `-n auto`, since tests also wait: with servers, half of their time."""
    return 2 * (yield)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(session: pytest.Session, items: list[pytest.Item]) -> None:
    """Group the tests by their system, and have the longest groups first: at the end, all processes should be busy."""
    for item in items if is_xdist_worker(session) else ():
        if group := _group(item):
            # What pytest-xdist 3.8 does for its marker of groups, in an attribute that pytest 9.2 does not read.
            cast(Any, item)._id = NodeId.parse(f"{item.nodeid}@{group}")  # noqa: SLF001
    items.sort(key=_place)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> Generator[None]:
    """Stop the systems that the next test does not use."""
    yield
    needed = _systems(nextitem) if nextitem else ()
    for name in _systems(item):
        if name not in needed:
            _finish(item, name)


def _group(item: pytest.Item) -> str:
    return "+".join(_systems(item)) or (LAYOUT if item.get_closest_marker(LAYOUT) else "")


def _systems(item: pytest.Item) -> list[str]:
    """Return the names of the fixtures of whole systems that a test uses."""
    names = item.fixturenames if isinstance(item, pytest.Function) else ()
    return sorted(name for name in names if name.endswith(_SUFFIX))


def _place(item: pytest.Item) -> tuple[bool, str, bool]:
    """Return what tests are sorted by: the longest first, and those of one system together, also in one process."""
    used, group = item.fixturenames if isinstance(item, pytest.Function) else (), _group(item)
    return not group, group, "servers" not in used


def _finish(item: pytest.Item, name: str) -> None:
    """Tear a fixture down before the end of its scope, with the fixtures that use it: pytest has no public way."""
    test = cast(Any, item)
    for definition in test._fixtureinfo.name2fixturedefs[name]:  # noqa: SLF001
        definition.finish(test._request)  # noqa: SLF001
