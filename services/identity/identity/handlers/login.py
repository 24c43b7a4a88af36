"""Handlers of commands about logins and tokens."""

from datetime import datetime
from uuid import UUID

from contracts.identity.login import LogIn, LogOut, LogOutEverywhere, RefreshTokens, TokensView
from contracts.identity.password import PasswordSet
from contracts.refusals import Code, Refusal
from eventing.handling import Handlers
from eventing.store import AggregateNotFound
from runtime.clock import new_id

from identity.aggregate import RefreshTokenHash, User
from identity.credentials.keys import ACCESS_TOKEN_LIFETIME
from identity.credentials.refresh_tokens import REFRESH_TOKEN_LIFETIME, RefreshToken
from identity.dependencies import Work
from identity.directory import Account
from identity.handlers.password_checks import matches_password, naming_owner

handles = Handlers()


@handles
async def log_in(command: LogIn, work: Work) -> TokensView:
    """Open a token family; neither the reply nor its timing reveals whether the address has an account."""
    account = await work.dependencies.directory.find_account(command.email)
    # Not from the aggregate: its load takes longer the more an account was used, which reveals that the account exists.
    password_hash = await _password_hash(account, work)
    with naming_owner(account and account.id):
        invalid = Refusal(Code.INVALID_CREDENTIALS, "The e-mail address or the password is wrong.")
        matches = await matches_password(command.password, password_hash, command.email, command.client_address, work)
        if account is None or not matches:
            raise invalid
        user = await work.load(User, account.id)
        # The password may have been changed since it was checked; from here on, the version of the account detects it.
        if await _password_hash(await work.dependencies.directory.account(account.id), work) != password_hash:
            raise invalid
        token = RefreshToken.new(user.id)
        user.log_in(token.family_id, _hashed(token, work.now), work.now)
        await work.save(user)
        return _tokens(user, token, work)


@handles
async def refresh_tokens(command: RefreshTokens, work: Work) -> TokensView:
    """Exchange a refresh token; the late reuse of one revokes its family."""
    invalid = Refusal(Code.INVALID_REFRESH_TOKEN, "The refresh token is not valid. Log in again.")
    try:
        presented = RefreshToken.parse(command.refresh_token)
        user = await work.load(User, presented.user_id)
    except (ValueError, AggregateNotFound):
        raise invalid from None
    successor = presented.successor()
    replacement = _hashed(successor, work.now)
    exchanged = user.refresh(
        presented.family_id, presented.hash, replacement, work.now, has_family_secret=presented.has_family_secret
    )
    await work.save(user)  # also when the family was revoked: the revocation has to be stored before the refusal
    if not exchanged:
        with naming_owner(user.id):
            raise invalid
    return _tokens(user, successor, work)


@handles
async def log_out(command: LogOut, work: Work) -> None:
    """Revoke a token family of the actor."""
    async with work.change(User, work.actor.user_id) as user:
        user.log_out(command.family_id)


@handles
async def log_out_everywhere(_command: LogOutEverywhere, work: Work) -> None:
    """Revoke all token families of the actor."""
    async with work.change(User, work.actor.user_id) as user:
        user.log_out_everywhere()


async def _password_hash(account: Account | None, work: Work) -> str | None:
    if account is None or account.password_hash or account.is_service_account:
        return account and account.password_hash
    latest = await work.store.latest(PasswordSet, account.id)  # written by an earlier release during an upgrade
    return latest.event.password_hash if latest else None


def _hashed(token: RefreshToken, now: datetime) -> RefreshTokenHash:
    return RefreshTokenHash(token.hash, now + REFRESH_TOKEN_LIFETIME)


def _tokens(user: User, token: RefreshToken, work: Work) -> TokensView:
    ring, token_id = work.dependencies.keys.ring, new_id()
    family_id: UUID = token.family_id
    return TokensView(
        access_token=ring.access_token(user.id, user.role, family_id, token_id, work.now),
        expires_in=int(ACCESS_TOKEN_LIFETIME.total_seconds()),
        refresh_token=str(token),
        refresh_expires_in=int(REFRESH_TOKEN_LIFETIME.total_seconds()),
    )
