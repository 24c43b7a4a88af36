"""An MCP server and its authorization server in memory, whose answers a test scripts."""

import asyncio
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import Any

import httpx2
from contracts.mcp_registry.oauth import PendingAuthorization, Tokens
from mcp_registry.oauth.preparation import Preparation
from mcp_registry.oauth.requests import Requests
from runtime.http.addresses import Address, AddressRules

SERVER_URL, ISSUER = "https://mcp.example.com/mcp", "https://auth.example.com"
PRIVATE = "private.example.com"
REDIRECT_URI = "https://agents.example.com/api/v1/mcp-servers/oauth/callback"
PREPARATION = Preparation(SERVER_URL, REDIRECT_URI, "state")
METADATA: dict[str, Any] = {
    "issuer": ISSUER,
    "authorization_endpoint": f"{ISSUER}/authorize",
    "token_endpoint": f"{ISSUER}/token",
    "registration_endpoint": f"{ISSUER}/register",
    "revocation_endpoint": f"{ISSUER}/revoke",
    "code_challenge_methods_supported": ["S256"],
}
RESOURCE: dict[str, Any] = {"resource": SERVER_URL, "authorization_servers": [ISSUER]}
REGISTRATION: dict[str, Any] = {
    "client_id": "client",
    "issuer": ISSUER,
    "token_endpoint": f"{ISSUER}/token",
    "revocation_endpoint": f"{ISSUER}/revoke",
    "resource": SERVER_URL,
}
PENDING = PendingAuthorization(
    **REGISTRATION, authorization_url=ISSUER, redirect_uri=REDIRECT_URI, code_verifier="verifier", code="code"
)
TOKENS = Tokens(**REGISTRATION, access_token="plantedsecret-access", refresh_token="plantedsecret-refresh")


@dataclass
class ScriptedServer:
    """Answers by URL; a URL without an answer is not found. `requests` are those that were sent, in order."""

    answers: dict[str, httpx2.Response] = field(default_factory=dict[str, httpx2.Response])
    requests: list[httpx2.Request] = field(default_factory=list[httpx2.Request])
    hangs: bool = False

    @classmethod
    def with_metadata(cls, **changes: Any) -> "ScriptedServer":
        """Return a server whose authorization server has these metadata, and registers clients."""
        return cls({
            SERVER_URL: httpx2.Response(401),
            "https://mcp.example.com/.well-known/oauth-protected-resource/mcp": httpx2.Response(200, json=RESOURCE),
            f"{ISSUER}/.well-known/oauth-authorization-server": httpx2.Response(200, json=METADATA | changes),
            f"{ISSUER}/register": httpx2.Response(201, json={"client_id": "client"}),
        })  # fmt: skip

    def answer(self, url: str, status: int = 200, **content: Any) -> "ScriptedServer":
        """Set the answer to requests to a URL."""
        self.answers[url] = httpx2.Response(status, **content)
        return self

    def sender(self) -> Requests:
        """Return the sender of requests to this server."""
        rules = AddressRules(resolver=_resolve)
        return Requests(httpx2.AsyncClient(transport=httpx2.MockTransport(self._handle)), rules)

    async def _handle(self, request: httpx2.Request) -> httpx2.Response:
        self.requests.append(request)
        if self.hangs:
            await asyncio.Event().wait()
        return self.answers.get(str(request.url.copy_with(query=None)), httpx2.Response(404))


async def _resolve(host: str, _port: int) -> list[Address]:
    return [ip_address("10.0.0.1" if host == PRIVATE else "8.8.8.8")]
