"""The operations that return secrets; responses of all others are searched."""

from gateway.app import ROUTERS
from gateway.schemas.base import SecretResponse
from onebox.testing.responses import SearchedResponses

SEARCHED = SearchedResponses(ROUTERS, SecretResponse)
