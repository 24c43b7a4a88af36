"""The kinds of clients that a sweep sends requests as."""

import json
import secrets
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import Any

import jwt
from contracts.wire import TOKEN_ALGORITHM
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from gateway.openapi import EXAMPLES
from onebox.testing.planted import planted
from onebox.testing.system import System, until

from tests.e2e.user import User

ROLES = ("admin", "user", "viewer")
SCOPES = ("read", "write", "admin")
FEW_SCOPES = ("read", "write")
WITHOUT_EFFECT = 6
"""The number of clients whose credentials are not valid."""


@dataclass(frozen=True)
class Client:
    """A client: what it presents, and what that allows."""

    name: str
    headers: dict[str, str]
    role: str | None = None
    scopes: tuple[str, ...] = SCOPES
    is_key: bool = False
    ends: "Client | None" = None
    """Another login of the same account, for an operation that ends it."""
    share: tuple[int, int] = (0, 1)
    """In a short sweep, it requests the operations whose number has the first as its remainder by the second."""

    @property
    def is_authenticated(self) -> bool:
        return self.role is not None


class Clients:
    """Creates accounts, and clients of each kind."""

    def __init__(self, system: System, admin: User, opened: ExitStack) -> None:
        self.system, self.admin, self.opened = system, admin, opened

    def account(self, role: str) -> User:
        """Return a new user with a role, logged in."""
        user = User(self.system.base_url)
        self.opened.enter_context(user.http)
        user.password = planted(secrets.token_hex(12))
        user.register()
        user.log_in()
        if role != "user":
            self.change_role(user, role)
        return user

    def change(self, user: User, **changes: Any) -> None:
        self.admin.http.patch(f"/admin/users/{user.id()}", json=changes).raise_for_status()

    def change_role(self, user: User, role: str) -> None:
        """Change a role, and wait until the gateway knows it, which is later than the account has it."""
        self.change(user, role=role)
        until(lambda: _role_at_gateway(user) == role)

    def all(self) -> Iterator[Client]:
        """Yield one client of each kind."""
        for number, role in enumerate(ROLES):
            yield from self._of_role(role, number)
        yield Client("no token", {})
        for number, client in enumerate(self._without_effect()):
            yield replace(client, share=(number, WITHOUT_EFFECT))

    def _of_role(self, role: str, number: int) -> Iterator[Client]:
        """Yield keys with each scope, and a login; the keys are those of someone who was an administrator before."""
        user = self.account("admin")
        keys = {scopes: _new_key(user, *scopes) for scopes in (*((scope,) for scope in SCOPES), FEW_SCOPES)}
        self.change_role(user, role)
        for position, (scopes, key) in enumerate(keys.items()):
            share = ((number - position) % len(ROLES), len(ROLES))  # each operation by each kind of key of some role
            name = f"{role}, key for {' and '.join(scopes)}"
            yield Client(name, {"x-api-key": key}, role, scopes, is_key=True, share=share)
        name, first = f"{role}, login", _bearer(user)
        user.log_in()
        yield Client(name, first, role, ends=Client(name, _bearer(user), role))

    def _without_effect(self) -> Iterator[Client]:
        """Yield clients whose credentials are not valid any more, or never were."""
        user = self.account("user")
        key, own = _signing_key(self.system), Ed25519PrivateKey.generate()
        token = user.http.headers["authorization"].removeprefix("Bearer ")
        claims, header = jwt.decode(token, options={"verify_signature": False}), jwt.get_unverified_header(token)
        expired = claims | {"exp": claims["iat"] - 1, "iat": claims["iat"] - 3600}
        yield _holder("an expired token", jwt.encode(expired, key, TOKEN_ALGORITHM, header))
        yield _holder("a token of another key", jwt.encode(claims, own, TOKEN_ALGORITHM, header))
        user.http.post("/auth/logout").raise_for_status()
        until(lambda: user.http.get("/auth/me").is_client_error)
        yield Client("a token after logout", _bearer(user))
        user.log_in()
        yield from self._disabled(user)

    def _disabled(self, user: User) -> Iterator[Client]:
        created = user.http.post("/auth/api-keys", json={"name": "one", "scopes": ["read"]}).raise_for_status().json()
        user.http.delete(f"/auth/api-keys/{created['id']}").raise_for_status()
        yield Client("a revoked key", {"x-api-key": created["key"]})
        key = _new_key(user, *FEW_SCOPES)
        self.change(user, is_active=False)
        until(lambda: user.http.get("/auth/me").is_client_error)
        yield Client("the token of a disabled user", _bearer(user))
        yield Client("the key of a disabled user", {"x-api-key": key})


def _role_at_gateway(user: User) -> str:
    """Return the role that follows from what the gateway lets a user do."""
    if user.http.get("/admin/stats").is_success:
        return "admin"
    is_viewer = user.http.post(f"/sessions/{EXAMPLES['session_id']}/pause").status_code == HTTPStatus.FORBIDDEN
    return "viewer" if is_viewer else "user"


def _bearer(user: User) -> dict[str, str]:
    return {"authorization": user.http.headers["authorization"]}


def _holder(name: str, token: str) -> Client:
    return Client(name, {"authorization": f"Bearer {token}"})


def _new_key(user: User, *scopes: str) -> str:
    body = {"name": "sweep", "scopes": scopes}
    return user.http.post("/auth/api-keys", json=body).raise_for_status().json()["key"]


def _signing_key(system: System) -> Any:
    """Return the key that the system itself signs access tokens with."""
    [ring] = json.loads((system.data_dir / "keys" / "ring.json").read_text())["keys"]
    return jwt.PyJWK(ring, TOKEN_ALGORITHM).key
