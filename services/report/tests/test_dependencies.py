"""The start of the service: a wrong theme prevents it, missing libraries for PDF do not."""

from pathlib import Path
from typing import Any, cast

import pytest
from prometheus_client import REGISTRY
from report import dependencies as module
from report.dependencies import dependencies
from report.settings import Settings
from runtime.starting import CannotStart

UNUSED = cast(Any, None)


def settings(folder: Path, **fields: Any) -> Settings:
    """Return settings with a local store."""
    servers = {"database_url": "postgresql://x", "nats_url": "nats://x"}
    return Settings.model_validate(servers | {"reports_dir": folder / "reports", "report_workers": 1} | fields)


async def test_a_wrong_theme_prevents_the_start(tmp_path: Path) -> None:
    (tmp_path / "theme.json").write_text('{"colours": {"accent": "red"}}')
    with pytest.raises(CannotStart, match=r"REPORT_THEME_DIR: .*theme\.json: colours\.accent"):
        async with dependencies(settings(tmp_path, report_theme_dir=tmp_path), UNUSED, UNUSED):
            pass


@pytest.mark.parametrize(("problem", "gauge"), [("Pango is missing.", 0), (None, 1)])
async def test_the_service_starts_and_shows_whether_there_is_pdf(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, problem: str | None, gauge: int
) -> None:
    monkeypatch.setattr(module, "why_unavailable", lambda: problem)
    async with dependencies(settings(tmp_path), UNUSED, UNUSED) as opened:
        assert opened.pdf == (gauge == 1)
    assert REGISTRY.get_sample_value("report_pdf_available") == gauge
