"""The decisions of an McpServer about attempts to authorize it, and about the end of its authorization."""

import hmac
import re
from datetime import datetime, timedelta
from typing import assert_never
from uuid import UUID

from contracts.mcp_registry.authorization import (
    AuthorizationEnded,
    AuthorizationEvent,
    AuthorizationFailed,
    AuthorizationOffered,
    AuthorizationRequested,
    AuthorizationReturned,
    OAuthSecretsSet,
    ReturnAuthorization,
    ServerAuthorized,
)
from contracts.mcp_registry.oauth import (
    AUTHORIZATION_SECONDS,
    EndReason,
    OAuthClient,
    OAuthSecrets,
    PendingAuthorization,
    Tokens,
)
from contracts.refusals import Code, Refusal

from mcp_registry.aggregate.refresh import Refreshing, refresh_time
from mcp_registry.aggregate.state import Attempt

INVALID_STATE = "This authorization is not valid, was used already, or has expired. Start the authorization again."
NOT_IN_PROGRESS = "This authorization is no longer in progress."
NOT_COMPLETED = f"Nobody completed the authorization within {AUTHORIZATION_SECONDS // 60} minutes. Start it again."
OTHER_ISSUER = "The response came from another authorization server than the request went to."
_ERROR = re.compile(r"[a-z_]{1,64}")


class Authorizing(Refreshing):
    """Attempts to authorize the server, at most one at a time, and the tokens that they end with."""

    def start_authorization(
        self, authorization_id: UUID, now: datetime, client: OAuthClient | None, scope: str | None
    ) -> None:
        """Start an attempt, in place of one in progress, whose state is no longer valid then.

        Raises:
            Refusal: AUTHORIZATION_NOT_SUPPORTED.
        """
        if self.definition.server_type == "STDIO":
            raise Refusal(Code.AUTHORIZATION_NOT_SUPPORTED, "A STDIO server has no authorization. Use its env.")
        self._set_oauth(client=client, pending=None)
        expires_at = now + timedelta(seconds=AUTHORIZATION_SECONDS)
        self.record(AuthorizationRequested(authorization_id=authorization_id, expires_at=expires_at, scope=scope))

    def offer_authorization(self, authorization_id: UUID, state_hash: str, pending: PendingAuthorization) -> None:
        """Record what a user is offered.

        Raises:
            Refusal: AUTHORIZATION_FAILED; the attempt is not in progress, or was offered already.
        """
        attempt = self._attempt(authorization_id)
        if attempt.state_hash is not None or attempt.returned:
            raise Refusal(Code.AUTHORIZATION_FAILED, NOT_IN_PROGRESS)
        self._set_oauth(pending=pending)
        self.record(AuthorizationOffered(authorization_id=authorization_id, state_hash=state_hash))

    def check_return(self, response: ReturnAuthorization, state_hash: str, now: datetime, *, by_owner: bool) -> None:
        """Check that a response belongs to the attempt, and is sent `by_owner`, or by the browser that started it.

        Otherwise a user who consents at a URL that somebody else has sent would authorize a server of theirs.

        Raises:
            Refusal: AUTHORIZATION_FAILED, the same one for every reason.
        """
        self.check_state(state_hash, now)
        pending = self.oauth.pending
        if pending and not by_owner and not _is_from_browser(response, pending):
            raise Refusal(Code.AUTHORIZATION_FAILED, INVALID_STATE)

    def check_state(self, state_hash: str, now: datetime) -> Attempt:
        """Return the attempt that a state belongs to.

        Raises:
            Refusal: AUTHORIZATION_FAILED, the same one for every reason.
        """
        attempt = self.attempt
        expected = attempt.state_hash if attempt else None
        valid = hmac.compare_digest(expected or "", state_hash) and expected is not None
        if attempt is None or not valid or now >= attempt.expires_at:
            raise Refusal(Code.AUTHORIZATION_FAILED, INVALID_STATE)
        return attempt

    def return_authorization(self, response: ReturnAuthorization, state_hash: str, now: datetime) -> bool:
        """Record the response of the authorization server, and return whether it has a code. The state is used up.

        Raises:
            Refusal: AUTHORIZATION_FAILED; the state is not valid.
        """
        attempt, pending = self.check_state(state_hash, now), self.oauth.pending
        reason = _refusal_reason(response, pending)
        if pending is None or reason:
            self.fail_authorization(attempt.id, Code.AUTHORIZATION_FAILED, reason or NOT_IN_PROGRESS)
            return False
        self._set_oauth(pending=pending.model_copy(update={"code": response.code}))
        self.record(AuthorizationReturned(authorization_id=attempt.id))
        return True

    def complete_authorization(self, authorization_id: UUID, tokens: Tokens, now: datetime) -> None:
        """Record the tokens.

        Raises:
            Refusal: AUTHORIZATION_FAILED; the attempt is not in progress.
        """
        self._attempt(authorization_id)
        self._set_oauth(client=None, pending=None, tokens=tokens)
        self.record(
            ServerAuthorized(
                authorization_id=authorization_id,
                issuer=tokens.issuer,
                scope=tokens.scope,
                expires_at=tokens.expires_at,
                refresh_at=refresh_time(tokens, now),
            )
        )

    def fail_authorization(self, authorization_id: UUID, code: Code, detail: str) -> None:
        """Record that an attempt failed. Ignores one that is not in progress."""
        if self.attempt and self.attempt.id == authorization_id:
            self._set_oauth(client=None, pending=None)
            self.record(AuthorizationFailed(authorization_id=authorization_id, error_code=code, error_detail=detail))

    def expire_authorization(self, authorization_id: UUID) -> None:
        """Fail an attempt that nobody completed in time. Ignores one whose code is being exchanged."""
        if self.attempt and not self.attempt.returned:
            self.fail_authorization(authorization_id, Code.AUTHORIZATION_FAILED, NOT_COMPLETED)

    def end_authorization(self, reason: EndReason, detail: str) -> None:
        """Forget the tokens and the attempt in progress. Records nothing if there are none."""
        if self.oauth.tokens or self.attempt:
            self._set_oauth(client=None, pending=None, tokens=None)
            self.record(AuthorizationEnded(reason=reason, detail=detail))

    def _attempt(self, authorization_id: UUID) -> Attempt:
        if self.attempt is None or self.attempt.id != authorization_id:
            raise Refusal(Code.AUTHORIZATION_FAILED, NOT_IN_PROGRESS)
        return self.attempt

    def apply_authorization(self, event: AuthorizationEvent) -> None:
        """Fold one event about the authorization."""
        match event:
            case AuthorizationRequested():
                self.attempt = Attempt(id=event.authorization_id, expires_at=event.expires_at)
            case AuthorizationOffered():
                self._change_attempt(state_hash=event.state_hash)
            case AuthorizationReturned():
                self._change_attempt(state_hash=None, returned=True)
            case OAuthSecretsSet():
                self.oauth = OAuthSecrets(client=event.client, pending=event.pending, tokens=event.tokens)
            case AuthorizationFailed():
                self.attempt = None
            case ServerAuthorized() | AuthorizationEnded():
                self.attempt, self.refreshing = None, None
            case _:
                assert_never(event)

    def _change_attempt(self, **changes: str | bool | None) -> None:
        self.attempt = self.attempt and self.attempt.model_copy(update=changes)


def _is_from_browser(response: ReturnAuthorization, pending: PendingAuthorization) -> bool:
    if pending.browser_secret is None:
        return True
    # An attacker knows the secret of an own attempt, and other hosts of the domain may set cookies without the prefix.
    if pending.redirect_uri.startswith("https:") and not response.is_host_secret:
        return False
    return hmac.compare_digest(pending.browser_secret.encode(), (response.browser_secret or "").encode())


def _refusal_reason(response: ReturnAuthorization, pending: PendingAuthorization | None) -> str | None:
    # RFC 9207: another authorization server may have sent the user, in order to get a code that is not its own.
    expected = pending and pending.issuer
    if response.issuer != expected and (response.issuer is not None or (pending and pending.requires_issuer)):
        return OTHER_ISSUER
    if response.error is not None or not response.code:
        known = f": {response.error}" if response.error and _ERROR.fullmatch(response.error) else ""
        return f"The authorization server did not authorize{known}."
    return None
