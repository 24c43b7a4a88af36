"""The table of services."""

from itertools import count
from pathlib import Path

import pytest
from contracts.catalogue import SERVICES
from onebox.folder import DataFolder
from onebox.services import CLOSE_SECONDS, DatabaseUrls, LaunchContext, services
from onebox.settings import BoxSettings
from runtime.settings import load


def test_services_are_not_killed_before_they_have_finished_their_work(folder: DataFolder) -> None:
    urls = DatabaseUrls("postgresql://", None)
    context = LaunchContext(BoxSettings(drain_seconds=600), folder, urls, lambda _: "nats://", count(1).__next__)
    programs = [each.program for each in services(context) if each.program.name in SERVICES]
    assert {each.grace for each in programs} == {600 + CLOSE_SECONDS}
    assert {each.environment["DRAIN_SECONDS"] for each in programs} == {"600.0"}


def test_only_services_get_the_settings_of_telemetry(
    folder: DataFolder, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    headers = tmp_path / "headers"
    headers.write_text("a=secret\n")
    monkeypatch.setenv("OTEL_TRACES_SAMPLER", "always_off")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS_FILE", str(headers))
    settings = load(BoxSettings)
    monkeypatch.delenv("OTEL_TRACES_SAMPLER")  # the launcher changes its environment, too
    context = LaunchContext(
        settings, folder, DatabaseUrls("postgresql://", None), lambda _: "nats://", count(1).__next__
    )
    given = {each.program.name: each.program.environment for each in services(context)}
    expected = {"OTEL_TRACES_SAMPLER": "always_off", "OTEL_EXPORTER_OTLP_HEADERS": "a=secret"}
    for name, environment in given.items():
        own = {key: value for key, value in environment.items() if key.startswith("OTEL_")}
        assert own == ({} if name == "simulator" else expected)
