"""The start of the service: a wrong theme prevents it, missing libraries for PDF do not."""

import asyncio
from pathlib import Path
from typing import Any, cast

import pytest
from report import dependencies as module
from report.dependencies import dependencies
from report.settings import Settings
from runtime.metrics import metrics_of
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
        assert await opened.pdf.available() == (gauge == 1)
    assert metrics_of("report").get_sample_value("report_pdf_available") == gauge


async def test_pdf_becomes_available_when_its_libraries_are_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    reasons = ["Pango is missing.", "Pango is missing.", None]
    monkeypatch.setattr(module, "why_unavailable", lambda: reasons.pop(0))
    monkeypatch.setattr(module, "CHECK_SECONDS", 0)
    pdf = module.PdfSupport()
    assert [await pdf.available() for _ in range(4)] == [False, False, True, True]


async def test_missing_libraries_are_not_searched_for_at_every_request(monkeypatch: pytest.MonkeyPatch) -> None:
    searches = list[str]()
    monkeypatch.setattr(module, "why_unavailable", lambda: searches.append("search") or "Pango is missing.")
    pdf = module.PdfSupport()
    await asyncio.gather(*(pdf.available() for _ in range(10)))
    assert len(searches) == 1
