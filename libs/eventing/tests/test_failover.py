"""The relay after a failover to a standby that misses the latest events."""

import pytest
from eventing.testing.following import headers
from eventing.testing.relayed_store import RelayedStore, reason_for_stopping
from runtime.bus.jetstream import JetStream
from runtime.http.health import NotReady
from runtime.metrics import metrics_of

from libs.eventing.tests.servers import Standby

pytestmark = pytest.mark.usefixtures("fast_relay")


async def test_a_failover_that_lost_events_stops_the_relay_until_a_reread(
    relayed_store: RelayedStore, standby: Standby
) -> None:
    await relayed_store.append(1, 2)
    await relayed_store.relay_until(1, 2)
    await standby.copy()
    await relayed_store.append(3, 4, 5)
    await relayed_store.relay_until(1, 2, 3, 4, 5)
    await standby.fail_over()
    # More transactions than were lost: transaction numbers pass the relay's cursor again.
    await relayed_store.append(30, 40, 50, 60, 70)
    async with relayed_store.relaying() as relay:
        assert "does not have the event of the last message of EVT_JAR" in await reason_for_stopping(relay)
        with pytest.raises(NotReady, match="python -m eventing reread jar"):
            await relay.progress.check()
        assert metrics_of("eventing").get_sample_value("relay_diverged") == 1
        await relayed_store.published(1, 2, 3, 4, 5)
        done = await relayed_store.reread_when_stopped()
        assert (done.sequence, done.last, done.renumbered) == (2, 5, None)
        await relayed_store.published(1, 2, 3, 4, 5, 30, 40, 50, 60, 70)
        await relay.progress.check()
        assert metrics_of("eventing").get_sample_value("relay_diverged") == 0


async def test_an_event_with_the_version_of_a_lost_one_is_no_duplicate(
    relayed_store: RelayedStore, js: JetStream, standby: Standby
) -> None:
    await relayed_store.append(1)
    await relayed_store.relay_until(1)
    await standby.copy()
    await relayed_store.append(2)
    await relayed_store.relay_until(1, 2)
    await standby.fail_over()
    await relayed_store.append(20)
    await relayed_store.reread()
    await relayed_store.relay_until(1, 2, 20)
    old, new = (await headers(js, "EVT_JAR"))[1:]
    assert (old["ce-id"], old["aggregate-version"]) == (new["ce-id"], new["aggregate-version"])


async def test_a_failover_that_lost_nothing_needs_no_intervention(
    relayed_store: RelayedStore, standby: Standby
) -> None:
    await relayed_store.append(1, 2)
    await relayed_store.relay_until(1, 2)
    await standby.copy()
    await standby.fail_over()
    await relayed_store.append(3)
    await relayed_store.relay_until(1, 2, 3)


async def test_a_running_relay_notices_a_failover_before_it_publishes(
    relayed_store: RelayedStore, standby: Standby
) -> None:
    await relayed_store.append(1)
    async with relayed_store.relaying() as relay:
        await relayed_store.published(1)
        await standby.copy()
        await relayed_store.append_when_available(2)
        await relayed_store.published(1, 2)
        await standby.fail_over()
        await relayed_store.append_when_available(20)
        await relayed_store.append_when_available(21)
        await reason_for_stopping(relay)
        await relayed_store.published(1, 2)


async def test_a_repeated_reread_publishes_nothing_twice(relayed_store: RelayedStore, standby: Standby) -> None:
    await relayed_store.append(*range(10))
    await relayed_store.relay_until(*range(10))
    await standby.copy()
    await relayed_store.append(10, 11)
    await relayed_store.relay_until(*range(12))
    await standby.fail_over()
    await relayed_store.append(20)
    assert (await relayed_store.reread()).sequence == 10
    await relayed_store.reread_when_stopped()
    await relayed_store.relay_until(*range(12), 20)
    await relayed_store.reread()
    await relayed_store.relay_until(*range(12), 20)
