"""Allowed host names."""

import json

import httpx
import pytest
from contracts.samples import SESSION
from gateway.entry.hosts import Hosts
from gateway.settings import Settings
from runtime.settings import InvalidSettings, load
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from services.gateway.tests.cases import each
from services.gateway.tests.websocket_client import PATH, open_websocket


@each("path", ["/health", f"/api/v1/sessions/{SESSION}", "/docs", "/", "/made/up"])
async def test_an_unknown_host_is_421_on_every_path(client: httpx.AsyncClient, path: str):
    response = await client.get(path, headers={"host": "evil.example.com:8000"})
    assert (response.status_code, response.json()["error_code"]) == (421, "UNKNOWN_HOST")


async def test_a_websocket_to_an_unknown_host_is_421(base_url: str):
    port = httpx.URL(base_url).port
    with pytest.raises(InvalidStatus) as refused:
        async with connect(f"ws://evil.example.com{PATH}", host="127.0.0.1", port=port):
            pass
    assert refused.value.response.status_code == 421
    assert b"UNKNOWN_HOST" in refused.value.response.body
    assert refused.value.response.headers["x-content-type-options"] == "nosniff"


async def test_a_refused_websocket_is_a_problem_and_no_error_in_the_log(
    base_url: str, caplog: pytest.LogCaptureFixture
):
    with pytest.raises(InvalidStatus) as refused:
        await connect(f"{base_url.replace('http', 'ws')}/made/up", additional_headers={"x-request-id": "abc"})
    headers, problem = refused.value.response.headers, json.loads(refused.value.response.body or b"")
    assert (problem["status"], problem["error_code"], problem["request_id"]) == (404, "NOT_FOUND", "abc")
    assert headers["x-request-id"] == "abc"
    assert not [record for record in caplog.records if record.levelname == "ERROR"]
    assert {"x-response-time", "referrer-policy", "content-security-policy"} <= {name.lower() for name in headers}


async def test_an_accepted_websocket_has_the_id_of_its_request(base_url: str):
    async with open_websocket(base_url, None) as socket:
        assert socket.socket.response
        assert socket.socket.response.headers["x-request-id"]


async def test_a_websocket_to_a_local_host_is_accepted(base_url: str):
    async with open_websocket(base_url, None) as socket:
        assert (await socket.wait_closed())[0] == 1008


@each("host", ["localhost", "LOCALHOST:1", "127.0.0.1:8000", "[::1]:8000", "[::1]", "localhost."])
def test_local_hosts_are_always_allowed(host: str):
    assert Hosts("127.0.0.1", []).allow([host])
    assert Hosts("10.0.0.1", ["api.example.com"]).allow([host])


@each("host", ["10.0.0.1", "10.0.0.1:8000", "api.example.com", "API.example.com:443"])
def test_the_bound_address_and_listed_hosts_are_allowed(host: str):
    assert Hosts("10.0.0.1", ["api.example.com"]).allow([host])


@each(
    "host",
    ["", "evil.example.com", "localhost.evil.example.com", "10.0.0.2", "localhost:x", "a b", "localhost@evil", "[::2]"],
)
def test_other_hosts_are_not_allowed(host: str):
    assert not Hosts("127.0.0.1", ["api.example.com"]).allow([host])


@each("hosts", [[], ["localhost", "localhost"], ["localhost", "evil.example.com"]])
def test_a_missing_or_repeated_host_header_is_not_allowed(hosts: list[str]):
    assert not Hosts("127.0.0.1", []).allow(hosts)


@each("listening", ["0.0.0.0", "::"])  # noqa: S104  nobody binds
def test_a_wildcard_address_allows_all_addresses_but_no_names(listening: str):
    hosts = Hosts(listening, [])
    assert hosts.allow(["192.168.1.7:8000"])
    assert hosts.allow(["[fd00::7]:8000"])
    assert not hosts.allow(["evil.example.com"])


def test_an_asterisk_allows_any_host():
    assert Hosts("127.0.0.1", ["*"]).allow(["evil.example.com"])


@pytest.mark.parametrize("names", ["*", "api.example.com, api", "10.0.0.1,::1"])
def test_valid_hosts_are_accepted(monkeypatch: pytest.MonkeyPatch, names: str):
    monkeypatch.setenv("NATS_URL", "nats://x")
    monkeypatch.setenv("ALLOWED_HOSTS", names)
    assert load(Settings).hosts == [name.strip() for name in names.split(",")]


@pytest.mark.parametrize("names", ["https://example.com", "example.com:8000", "a,,b", "a/b"])
def test_an_invalid_host_is_an_error_that_names_the_setting(monkeypatch: pytest.MonkeyPatch, names: str):
    monkeypatch.setenv("NATS_URL", "nats://x")
    monkeypatch.setenv("ALLOWED_HOSTS", names)
    with pytest.raises(InvalidSettings, match="ALLOWED_HOSTS"):
        load(Settings)
