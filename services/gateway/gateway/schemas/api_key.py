"""Models of API keys."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from contracts.identity.api_key import ApiKeyView, CreateApiKey, NewApiKeyView
from contracts.identity.values import Scope
from contracts.samples import USER
from pydantic import AfterValidator, Field, StringConstraints
from runtime import clock

from gateway import ids
from gateway.schemas.base import RequestBody, ResponseModel, SecretResponse
from gateway.schemas.lists import ListPage, Window
from gateway.schemas.times import Time


def _in_future(time: datetime) -> datetime:
    if time <= clock.now():
        raise ValueError("must be in the future")
    return time


def _distinct(scopes: list[Scope]) -> list[Scope]:
    return sorted(set(scopes))


class NewApiKey(RequestBody):
    """An API key to create."""

    sample = {"name": "CI", "scopes": ["read", "write"], "expires_at": "2099-12-31T00:00:00Z"}

    name: Annotated[
        str,
        StringConstraints(strip_whitespace=True, min_length=1, max_length=200),
        Field(description="What the key is used for."),
    ]
    scopes: Annotated[
        list[Scope],
        Field(min_length=1, max_length=3, description="`read`: GET; `write`: other methods; `admin`: `/admin`."),
        AfterValidator(_distinct),
    ]
    expires_at: Annotated[
        Annotated[Time, AfterValidator(_in_future)] | None,
        Field(description="Time from which on the key is refused; null for never."),
    ] = None
    user_id: Annotated[
        UUID | None,
        Field(description="Service account that the key is for, if an administrator creates it; null for oneself."),
    ] = None

    def command(self, user_id: UUID) -> CreateApiKey:
        """Return the command of the user with this id."""
        return CreateApiKey(
            key_id=ids.new_id(),
            user_id=self.user_id or user_id,
            name=self.name,
            scopes=self.scopes,
            expires_at=self.expires_at,
        )


class ApiKeyWindow(Window):
    """Query parameters of the list of API keys."""

    user_id: Annotated[
        UUID | None,
        Field(description="Account whose keys are listed; others than one's own for administrators.", examples=[USER]),
    ] = None


class ApiKey(ApiKeyView, ResponseModel):
    """An API key, without its text."""


class ApiKeyWithText(NewApiKeyView, SecretResponse):
    """An API key with its text, which is shown only once."""


class ApiKeyPage(ListPage[ApiKey]):
    """API keys, newest first."""
