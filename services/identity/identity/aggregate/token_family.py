"""The refresh tokens of one login, part of the aggregate `User`."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from contracts.identity.login import RefreshTokenIssued

REUSE_GRACE_PERIOD = timedelta(seconds=30)
"""How long a used refresh token is accepted again: the first reply may have been lost, or two tabs share the token."""
MAX_LIVE_TOKENS = 8
"""Refresh tokens of one family that are valid at the same time. Only accepted repetitions make more than one."""
MAX_USED_TOKENS = 100
"""Used refresh tokens that a family remembers. The reuse of an older one is detected by the secret of its family."""


@dataclass
class RefreshTokenHash:
    """The SHA-256 of a refresh token, and when it expires."""

    sha256: str
    expires_at: datetime


@dataclass
class TokenFamily:
    """The refresh tokens of one login, by their hashes.

    `live` maps the valid tokens to their expiry, `used` the exchanged ones to the time of their first exchange, which
    is None for events of earlier releases and then counts as long ago.
    """

    live: dict[str, datetime] = field(default_factory=dict[str, datetime])
    used: dict[str, datetime | None] = field(default_factory=dict[str, datetime | None])

    @property
    def expires_at(self) -> datetime:
        """The time at which the last valid token expires."""
        return max(self.live.values())

    def add_token(self, event: RefreshTokenIssued) -> None:
        """Apply the issue of a token: it becomes valid, and the token that it replaces becomes used."""
        replaced = list(self.live) if event.replaces is None else [event.replaces]
        for old in replaced:
            self.live.pop(old, None)
            self.used.setdefault(old, event.issued_at)
        self.live[event.token_hash] = event.expires_at
        for dropped in list(self.live)[:-MAX_LIVE_TOKENS]:
            del self.live[dropped]
        for dropped in list(self.used)[:-MAX_USED_TOKENS]:
            del self.used[dropped]

    def knows(self, presented: str, now: datetime, *, has_family_secret: bool) -> bool:
        """Return whether the family has not expired, and had the token with this hash."""
        if self.expires_at <= now:
            return False
        expires_at = self.live.get(presented)
        return has_family_secret or presented in self.used if expires_at is None else expires_at > now

    def accepts(self, presented: str, now: datetime) -> bool:
        """Return whether a known token can be exchanged: it was not used before `REUSE_GRACE_PERIOD`."""
        used_at = self.used.get(presented)
        return presented in self.live or (used_at is not None and now - used_at <= REUSE_GRACE_PERIOD)
