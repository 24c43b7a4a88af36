"""The client behind reverse proxies, TRUSTED_PROXIES."""

from typing import Any

import httpx
import pytest
from gateway.clients.proxies import Proxies
from gateway.settings import Settings
from pydantic import ValidationError
from runtime.http.health import serving
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.types import Receive, Scope, Send
from structlog.testing import capture_logs

from services.gateway.tests.cases import each

PROXY = "10.0.0.1"


def resolved(*forwarded: str, peer: str = PROXY, trusted: str = "10.0.0.0/8, fd00::/8", **more: str) -> Scope:
    headers = [(b"x-forwarded-for", text.encode()) for text in forwarded]
    headers += [(name.replace("_", "-").encode(), text.encode()) for name, text in more.items()]
    scope: dict[str, Any] = {"type": "http", "client": (peer, 1), "scheme": "http", "headers": headers}
    Proxies(Settings(nats_url="nats://localhost", trusted_proxies=trusted).proxies).resolve(scope)
    return scope


@pytest.mark.parametrize(
    ("forwarded", "client"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("192.0.2.1:5678", "192.0.2.1"),
        ("2001:db8::1", "2001:db8::1"),
        ("[2001:db8::1]:443", "2001:db8::1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        (" 192.0.2.1 ", "192.0.2.1"),
        ("192.0.2.1, 10.0.0.2", "192.0.2.1"),
        ("192.0.2.1, fd00::1", "192.0.2.1"),
        ("10.0.0.3, 10.0.0.2", "10.0.0.3"),
    ],
)
def test_a_trusted_proxy_names_the_client(forwarded: str, client: str):
    assert resolved(forwarded)["client"][0] == client


@each("forged", ["198.51.100.1", "10.0.0.2", "x", "", "127.0.0.1"])
def test_what_the_client_has_sent_itself_is_ignored(forged: str):
    assert resolved(f"{forged}, 192.0.2.1")["client"][0] == "192.0.2.1"
    assert resolved(forged, "192.0.2.1")["client"][0] == "192.0.2.1"


@each("forwarded", ["", "unknown", "192.0.2.1, _hidden", "999.1.1.1", "192.0.2.1,"])
def test_the_proxy_is_the_client_if_it_names_none(forwarded: str):
    assert resolved(forwarded)["client"][0] == PROXY


@pytest.mark.parametrize(("peer", "trusted"), [("192.0.2.9", "10.0.0.0/8"), (PROXY, ""), (PROXY, "10.0.0.2")])
def test_others_than_trusted_proxies_cannot_name_a_client(peer: str, trusted: str):
    scope = resolved("198.51.100.1", peer=peer, trusted=trusted, x_forwarded_proto="https")
    assert (scope["client"][0], scope["scheme"]) == (peer, "http")


def test_a_peer_that_is_not_trusted_is_warned_of_once():
    proxies, forwarded = Proxies([]), [(b"x-forwarded-for", b"192.0.2.1")]
    with capture_logs() as logged:
        for headers in ([], forwarded, forwarded):
            proxies.resolve({"type": "http", "client": (PROXY, 1), "scheme": "http", "headers": headers})
    assert [(line["log_level"], line["peer"]) for line in logged] == [("warning", PROXY)]


def test_a_trusted_proxy_tells_the_scheme():
    assert resolved("192.0.2.1", x_forwarded_proto="https")["scheme"] == "https"
    assert resolved("192.0.2.1")["scheme"] == "http"


def test_an_invalid_network_is_refused_at_the_start():
    with pytest.raises(ValidationError, match="must be addresses or networks"):
        Settings(nats_url="nats://localhost", trusted_proxies="10.0.0.1/8")


async def test_the_server_itself_believes_no_local_client():
    async def show(scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope)
        await PlainTextResponse(f"{request.client and request.client.host} {scope['scheme']}")(scope, receive, send)

    headers = {"x-forwarded-for": "192.0.2.1", "x-forwarded-proto": "https"}
    async with serving(show, "127.0.0.1", 0) as server, httpx.AsyncClient(headers=headers, timeout=60) as client:
        response = await client.get(f"http://127.0.0.1:{server.address[1]}/")
    assert response.text == "127.0.0.1 http"
