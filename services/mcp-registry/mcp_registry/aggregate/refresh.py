"""The decisions of an McpServer about refreshing its tokens."""

from datetime import datetime, timedelta
from typing import assert_never
from uuid import UUID

from contracts.mcp_registry.authorization import AuthorizationEnded, OAuthSecretsSet
from contracts.mcp_registry.oauth import OAuthClient, OAuthSecrets, PendingAuthorization, Tokens
from contracts.mcp_registry.refresh import RefreshEvent, RefreshPostponed, RefreshRequested, TokensRefreshed
from contracts.refusals import Code, Refusal

from mcp_registry.aggregate.state import State

MARGIN = timedelta(minutes=2)
"""How long before their expiry tokens are refreshed, if they live long enough: a quarter of their life at most."""
MIN_PAUSE = timedelta(seconds=30)
"""The shortest time between two refreshes, whatever an authorization server says."""
POSTPONEMENT = timedelta(minutes=5)
NO_REFRESH_TOKEN = "The access token has expired, and cannot be refreshed. Authorize the server again."
OTHER_REFRESH = "This refresh is no longer in progress."


class Refreshing(State):
    """The refresh of tokens, at most one at a time: most authorization servers accept a refresh token once."""

    def request_refresh(self, refresh_id: UUID) -> None:
        """Request new tokens unless that is in progress. Tokens that cannot be refreshed have expired."""
        tokens = self.oauth.tokens
        if tokens is None or self.refreshing:
            return
        if tokens.refresh_token:
            self.record(RefreshRequested(refresh_id=refresh_id))
        else:
            self._lose(NO_REFRESH_TOKEN)

    def record_refresh(self, refresh_id: UUID, tokens: Tokens, now: datetime) -> None:
        """Record new tokens.

        Raises:
            Refusal: AUTHORIZATION_FAILED; the refresh is not in progress.
        """
        self._check_refresh(refresh_id)
        self._set_oauth(tokens=tokens)
        self.record(TokensRefreshed(expires_at=tokens.expires_at, refresh_at=refresh_time(tokens, now)))

    def postpone_refresh(self, refresh_id: UUID, now: datetime) -> None:
        """Have the tokens refreshed later. Raises as `record_refresh` does."""
        self._check_refresh(refresh_id)
        self.record(RefreshPostponed(refresh_at=now + POSTPONEMENT))

    def lose_authorization(self, refresh_id: UUID, detail: str) -> None:
        """Record that the tokens cannot be refreshed. Raises as `record_refresh` does."""
        self._check_refresh(refresh_id)
        self._lose(detail)

    def apply_refresh(self, event: RefreshEvent) -> None:
        """Fold one event about a refresh."""
        match event:
            case RefreshRequested():
                self.refreshing = event.refresh_id
            case TokensRefreshed() | RefreshPostponed():
                self.refreshing = None
            case _:
                assert_never(event)

    def _check_refresh(self, refresh_id: UUID) -> None:
        if self.refreshing != refresh_id:
            raise Refusal(Code.AUTHORIZATION_FAILED, OTHER_REFRESH)

    def _lose(self, detail: str) -> None:
        self._set_oauth(tokens=None)
        self.record(AuthorizationEnded(reason="expired", detail=detail))

    def _set_oauth(self, **changes: OAuthClient | PendingAuthorization | Tokens | None) -> None:
        """Change some of the secrets of the authorization. Records nothing if nothing changes."""
        oauth = self.oauth.model_copy(update=changes)
        if oauth != self.oauth:
            self.record(OAuthSecretsSet(**{name: getattr(oauth, name) for name in OAuthSecrets.model_fields}))


def refresh_time(tokens: Tokens, now: datetime) -> datetime | None:
    """Return when tokens have to be refreshed; None if they do not expire."""
    if tokens.expires_at is None:
        return None
    return max(now + MIN_PAUSE, tokens.expires_at - min(MARGIN, (tokens.expires_at - now) / 4))
