"""What the identity service does on a command."""

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
from identity.keys import ACCESS
from identity.names import RESERVED, folded
from identity.passwords import is_common
from identity.refresh_tokens import LIFETIME, RefreshToken

handles = Handlers()

type Work = UnitOfWork[Dependencies]


@handles
async def register_user(command: RegisterUser, work: Work) -> None:
    """Make an account."""
    if not work.dependencies.registration_open:
        raise Refusal(Code.REGISTRATION_CLOSED, "New accounts are made by an administrator here.")
    if is_common(command.password):
        raise Refusal(Code.PASSWORD_TOO_COMMON, "This password is one of the most common. Choose another.")
    if folded(command.username) in RESERVED:
        raise Refusal(Code.USERNAME_TAKEN, "This username is reserved.")
    user = User(command.user_id)
    password_hash = await work.dependencies.passwords.hash(command.password, command.email, work.envelope)
    user.register(command.email, command.username, command.full_name, "user", password_hash)
    await work.save(user)


@handles
async def ensure_admin(command: EnsureAdmin, work: Work) -> None:
    """Make the first administrator."""
    if await work.dependencies.directory.has_admin():
        return
    user = User(command.user_id)
    password_hash = await work.dependencies.passwords.hash(command.password, command.email, work.envelope)
    user.register(command.email, "admin", None, "admin", password_hash)
    await work.save(user)


@handles
async def log_in(command: LogIn, work: Work) -> TokensView:
    """Open a token family; the answer and its timing do not tell whether the address is known."""
    account = await work.dependencies.directory.account_of(command.email)
    # Not from the aggregate: to load that takes the longer the more an account was used, and so tells that it exists.
    password_hash = account.password_hash if account else None
    if account and password_hash is None:  # written by a replica of an earlier release, beside this one
        recorded = await work.store.latest(PasswordSet, account.id)
        password_hash = recorded.event.password_hash if recorded else None
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
    """Trade a refresh token; one that comes back late revokes its family."""
    invalid = Refusal(Code.INVALID_REFRESH_TOKEN, "The refresh token is not valid. Log in again.")
    try:
        presented = RefreshToken.read(command.refresh_token)
        user = await work.load(User, presented.user_id)
    except (ValueError, AggregateNotFound):
        raise invalid from None
    following = presented.following()
    replacement = _hashed(following, work.now)
    good = user.refresh(presented.family_id, presented.hash, replacement, work.now, proven=presented.proven)
    await work.save(user)
    if not good:
        raise invalid
    return _tokens(user, following, work)


@handles
async def log_out(command: LogOut, work: Work) -> None:
    """End a family of the actor."""
    async with work.change(User, work.actor.user_id) as user:
        user.log_out(command.family_id)


def _hashed(token: RefreshToken, now: datetime) -> RefreshTokenHash:
    return RefreshTokenHash(token.hash, now + LIFETIME)


def _tokens(user: User, token: RefreshToken, work: Work) -> TokensView:
    token_id: UUID = new_id()
    return TokensView(
        access_token=work.dependencies.keys.access_token(user.id, user.role, token.family_id, token_id, work.now),
        expires_in=int(ACCESS.total_seconds()),
        refresh_token=str(token),
        refresh_expires_in=int(LIFETIME.total_seconds()),
    )
