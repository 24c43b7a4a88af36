"""By which host names the gateway is used."""

import httpx
import pytest
from contracts.samples import SESSION
from gateway.hosts import Hosts
from gateway.settings import Settings
from runtime.settings import InvalidSettings, load
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from services.gateway.tests.talking import PATH, talking


@pytest.mark.parametrize("path", ["/health", f"/api/v1/sessions/{SESSION}", "/docs", "/", "/made/up"])
async def test_a_foreign_name_is_421_whatever_is_asked_for(client: httpx.AsyncClient, path: str):
    answer = await client.get(path, headers={"host": "evil.example.com:8000"})
    assert (answer.status_code, answer.json()["error_code"]) == (421, "UNKNOWN_HOST")


async def test_a_socket_by_a_foreign_name_is_421(base_url: str):
    port = httpx.URL(base_url).port
    with pytest.raises(InvalidStatus) as refused:
        async with connect(f"ws://evil.example.com{PATH}", host="127.0.0.1", port=port):
            pass
    assert refused.value.response.status_code == 421
    assert b"UNKNOWN_HOST" in refused.value.response.body
    assert refused.value.response.headers["x-content-type-options"] == "nosniff"


async def test_a_socket_by_a_local_name_is_taken(base_url: str):
    async with talking(base_url, None) as talk:
        assert (await talk.closed())[0] == 1008


@pytest.mark.parametrize("given", ["localhost", "LOCALHOST:1", "127.0.0.1:8000", "[::1]:8000", "[::1]", "localhost."])
def test_local_names_are_always_allowed(given: str):
    assert Hosts("127.0.0.1", []).allow([given])
    assert Hosts("10.0.0.1", ["api.example.com"]).allow([given])


@pytest.mark.parametrize("given", ["10.0.0.1", "10.0.0.1:8000", "api.example.com", "API.example.com:443"])
def test_the_bound_address_and_listed_names_are_allowed(given: str):
    assert Hosts("10.0.0.1", ["api.example.com"]).allow([given])


@pytest.mark.parametrize(
    "given",
    ["", "evil.example.com", "localhost.evil.example.com", "10.0.0.2", "localhost:x", "a b", "localhost@evil", "[::2]"],
)
def test_other_names_are_not(given: str):
    assert not Hosts("127.0.0.1", ["api.example.com"]).allow([given])


@pytest.mark.parametrize("given", [[], ["localhost", "localhost"], ["localhost", "evil.example.com"]])
def test_there_is_one_host_and_no_more(given: list[str]):
    assert not Hosts("127.0.0.1", []).allow(given)


@pytest.mark.parametrize("listening", ["0.0.0.0", "::"])  # noqa: S104  nobody binds
def test_where_it_listens_on_all_addresses_each_is_allowed_and_no_name(listening: str):
    hosts = Hosts(listening, [])
    assert hosts.allow(["192.168.1.7:8000"])
    assert hosts.allow(["[fd00::7]:8000"])
    assert not hosts.allow(["evil.example.com"])


def test_an_asterisk_allows_any():
    assert Hosts("127.0.0.1", ["*"]).allow(["evil.example.com"])


@pytest.mark.parametrize("names", ["*", "api.example.com, api", "10.0.0.1,::1"])
def test_names_are_read(monkeypatch: pytest.MonkeyPatch, names: str):
    monkeypatch.setenv("NATS_URL", "nats://x")
    monkeypatch.setenv("ALLOWED_HOSTS", names)
    assert load(Settings).hosts == [name.strip() for name in names.split(",")]


@pytest.mark.parametrize("names", ["https://example.com", "example.com:8000", "a,,b", "a/b"])
def test_what_is_no_name_ends_the_start(monkeypatch: pytest.MonkeyPatch, names: str):
    monkeypatch.setenv("NATS_URL", "nats://x")
    monkeypatch.setenv("ALLOWED_HOSTS", names)
    with pytest.raises(InvalidSettings, match="ALLOWED_HOSTS"):
        load(Settings)
