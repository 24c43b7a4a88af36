"""The table of services."""

from itertools import count

from contracts.catalogue import SERVICES
from onebox.folder import DataFolder
from onebox.services import CLOSE_SECONDS, DatabaseUrls, LaunchContext, services
from onebox.settings import BoxSettings


def test_services_are_not_killed_before_they_have_finished_their_work(folder: DataFolder) -> None:
    urls = DatabaseUrls("postgresql://", None)
    context = LaunchContext(BoxSettings(drain_seconds=600), folder, urls, lambda _: "nats://", count(1).__next__)
    programs = [each.program for each in services(context) if each.program.name in SERVICES]
    assert {each.grace for each in programs} == {600 + CLOSE_SECONDS}
    assert {each.environment["DRAIN_SECONDS"] for each in programs} == {"600.0"}
