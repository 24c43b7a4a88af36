"""Many cases in one test, at one gateway."""

from functools import partial

from onebox.testing.cases import Case, every_case

from services.gateway.tests.fake_services import FakeServices


def _forget(fixtures: Case) -> None:
    """Forget the messages that the services have received for the previous case."""
    for fixture in fixtures.values():
        services = getattr(fixture, "services", fixture)
        if isinstance(services, FakeServices):
            services.received.clear()


each = partial(every_case, before=_forget)
"""`every_case`, of which each case finds that the services have received nothing."""
