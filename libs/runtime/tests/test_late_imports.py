"""Modules that are imported for their first use, by several tasks at once."""

import asyncio
import gc
import sys
from pathlib import Path
from typing import cast
from unittest.mock import Mock

import pytest
from runtime import late_imports
from runtime.late_imports import load

# As in the MCP library, the modules import each other, and the package sees to it that the first one is complete first.
MODULES = {
    "__init__": "import time\ntime.sleep(0.1)\nfrom imported_late import first",
    "first": "FIRST = 1\nfrom imported_late.second import SECOND",
    "second": "from imported_late.first import FIRST\nSECOND = FIRST + 1",
}


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package whose import takes so long that others begin to import its modules meanwhile."""
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    monkeypatch.setattr(late_imports, "_loaded", {})
    for name in ("imported_late", "imported_late.first", "imported_late.second"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    folder = tmp_path / "imported_late"
    folder.mkdir()
    for name, text in MODULES.items():
        (folder / f"{name}.py").write_text(text)
    return folder


@pytest.mark.usefixtures("package")
async def test_modules_of_one_package_are_loaded_at_once() -> None:
    first, second = await asyncio.gather(load("imported_late.first"), load("imported_late.second"))
    assert (first.SECOND, second.SECOND) == (2, 2)


async def test_a_failed_import_is_raised_and_does_not_prevent_others(package: Path) -> None:
    (package / "failing.py").write_text("import no_such_library")
    with pytest.raises(ModuleNotFoundError, match="no_such_library"):
        await load("imported_late.failing")
    assert (await load("imported_late.second")).SECOND == 2


@pytest.mark.usefixtures("package")
async def test_a_loaded_module_needs_no_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    first = await load("imported_late.first")
    monkeypatch.setattr(asyncio, "to_thread", Mock(side_effect=AssertionError("all threads are busy")))
    assert await load("imported_late.first") is first


@pytest.mark.usefixtures("package")
async def test_the_garbage_collector_leaves_out_what_was_imported() -> None:
    names = cast(dict[str, object], vars(await load("imported_late.first")))
    assert not any(found is names for found in gc.get_objects())
    assert gc.isenabled()
