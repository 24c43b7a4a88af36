from gateway.streams import SERVICES

from tests.architecture import house


def test_the_facts_of_every_service_are_streamed() -> None:
    assert sorted(SERVICES) == sorted(service.package for service in house.event_sourced(house.ROOT))
