"""The command handlers of the identity service."""

from datetime import datetime
from uuid import UUID

from contracts.identity.commands import EnsureAdmin, LogIn, LogOut, RefreshTokens, RegisterUser
from contracts.identity.events import PasswordSet
from contracts.identity.queries import TokensView
from contracts.refusals import Code, Refusal
from eventing.handling import Handlers, UnitOfWork
from eventing.store import AggregateNotFound
from runtime.clock import new_id

from identity.aggregate import RefreshTokenHash, User
from identity.dependencies import Dependencies
from identity.keys import ACCESS_TOKEN_LIFETIME
from identity.names import RESERVED_USERNAMES, comparable_username
from identity.passwords import is_common
from identity.refresh_tokens import REFRESH_TOKEN_LIFETIME, RefreshToken

handles = Handlers()

type Work = UnitOfWork[Dependencies]


@handles
async def register_user(command: RegisterUser, work: Work) -> None:
    """Create an account."""
    if not work.dependencies.registration_open:
        raise Refusal(Code.REGISTRATION_CLOSED, "Registration is closed. Ask an administrator for an account.")
    if is_common(command.password):
        raise Refusal(Code.PASSWORD_TOO_COMMON, "The password is one of the most common ones. Choose another one.")
    if comparable_username(command.username) in RESERVED_USERNAMES:
        raise Refusal(Code.USERNAME_TAKEN, "The username is reserved. Choose another one.")
    user = User(command.user_id)
    password_hash = await work.dependencies.passwords.hash(command.password, command.email, work.envelope)
    user.register(command.email, command.username, command.full_name, "user", password_hash)
    await work.save(user)


@handles
async def ensure_admin(command: EnsureAdmin, work: Work) -> None:
    """Create the first administrator."""
    if await work.dependencies.directory.has_admin():
        return
    user = User(command.user_id)
    password_hash = await work.dependencies.passwords.hash(command.password, command.email, work.envelope)
    user.register(command.email, "admin", None, "admin", password_hash)
    await work.save(user)


@handles
async def log_in(command: LogIn, work: Work) -> TokensView:
    """Open a token family; neither the reply nor its timing reveals whether the address has an account."""
    account = await work.dependencies.directory.find_account(command.email)
    # Not from the aggregate: its load takes longer the more an account was used, which reveals that the account exists.
    password_hash = account.password_hash if account else None
    if account and password_hash is None:  # written by a replica of an earlier release during an upgrade
        latest = await work.store.latest(PasswordSet, account.id)
        password_hash = latest.event.password_hash if latest else None
    matches = await work.dependencies.passwords.matches(command.password, password_hash, command.email, work.envelope)
    if account is None or not matches:
        raise Refusal(Code.INVALID_CREDENTIALS, "The e-mail address or the password is wrong.")
    user = await work.load(User, account.id)
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
        raise invalid
    return _tokens(user, successor, work)


@handles
async def log_out(command: LogOut, work: Work) -> None:
    """Revoke a token family of the actor."""
    async with work.change(User, work.actor.user_id) as user:
        user.log_out(command.family_id)


def _hashed(token: RefreshToken, now: datetime) -> RefreshTokenHash:
    return RefreshTokenHash(token.hash, now + REFRESH_TOKEN_LIFETIME)


def _tokens(user: User, token: RefreshToken, work: Work) -> TokensView:
    token_id: UUID = new_id()
    return TokensView(
        access_token=work.dependencies.keys.access_token(user.id, user.role, token.family_id, token_id, work.now),
        expires_in=int(ACCESS_TOKEN_LIFETIME.total_seconds()),
        refresh_token=str(token),
        refresh_expires_in=int(REFRESH_TOKEN_LIFETIME.total_seconds()),
    )
