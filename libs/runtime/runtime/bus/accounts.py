"""The accounts of NATS: one for the services, and one for programs of users, which are isolated from the former.

Programs reach three subjects of the services' account, and get replies through subjects that the server makes up: so
nothing that they send, nor a reply to it, arrives anywhere else there.
"""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass

from contracts.wire import BUS_DOMAIN, PUBLIC_STREAM

from runtime.bus.nkeys import USER, public_key

SERVICES_ACCOUNT, PROGRAMS_ACCOUNT, SYSTEM_ACCOUNT = "AGENTAPI", "PROGRAMS", "SYS"
AUTHORIZE = "$SYS.REQ.USER.AUTH"
"""The subject of the server's questions whether a program may connect."""
AUTHORIZED = "$SYS._INBOX.>"
"""The subjects of the answers to them."""
CONNECTIONS, DISCONNECT = "bus.connections", "bus.disconnect"
"""The subject of the question for connections; and with the id of a server, the one to end a connection."""
PROGRAM_API = f"$JS.{BUS_DOMAIN}.API"
"""What the requests of programs to JetStream begin with."""
MAX_CONNECTIONS = 1000
AUTHORIZATION_SECONDS = 3
PULL_SECONDS, ANSWER_SECONDS = 40, 5
"""How long NATS remembers a request for events, which may wait for 30 s, and any other; without, two minutes."""
_NOBODY = public_key(USER, hashlib.sha256(b"nobody").digest())
"""A key that nobody has. A server that knows none sends clients nothing to sign."""


def program_subjects(consumer: str) -> tuple[list[str], list[str]]:
    """Return what a program may publish in order to read from a consumer, and what it may subscribe to."""
    calls = [f"{PROGRAM_API}.CONSUMER.{call}.{PUBLIC_STREAM}.{consumer}" for call in ("INFO", "MSG.NEXT")]
    return [*calls, f"$JS.ACK.{PUBLIC_STREAM}.{consumer}.>"], [f"{inbox_prefix(consumer)}.>"]


def inbox_prefix(consumer: str) -> str:
    """Return what the inboxes of the programs that read from a consumer begin with."""
    return f"_INBOX_{consumer}"


def accounts(users: str, names: Iterable[str], issuer: str) -> str:
    """Return the sections of NATS's configuration with the accounts.

    `users` are those of the services, called `names`; `issuer` is the public key that decides who else may connect.
    """
    bypassing = json.dumps([*names])
    return f"""accounts {{
  {SERVICES_ACCOUNT} {{
    jetstream: enabled
    users: [
{users}
    ]
    exports: [ {", ".join(each.exported(PROGRAMS_ACCOUNT) for each in _READING)} ]
    imports: [ {", ".join(each.imported(SYSTEM_ACCOUNT) for each in _DISCONNECTING)} ]
  }}
  {PROGRAMS_ACCOUNT} {{
    users: [ {{ nkey: {_NOBODY}, permissions: {{ publish: {{ deny: ">" }}, subscribe: {{ deny: ">" }} }} }} ]
    limits {{ max_connections: {MAX_CONNECTIONS} }}
    imports: [ {", ".join(each.imported(SERVICES_ACCOUNT) for each in _READING)} ]
  }}
  {SYSTEM_ACCOUNT} {{
    exports: [ {", ".join(each.exported(SERVICES_ACCOUNT) for each in _DISCONNECTING)} ]
  }}
}}
system_account: {SYSTEM_ACCOUNT}
authorization {{
  timeout: {AUTHORIZATION_SECONDS}
  auth_callout {{
    issuer: {issuer}, account: {SERVICES_ACCOUNT}, auth_users: {bypassing}, allowed_accounts: [{PROGRAMS_ACCOUNT}]
  }}
}}"""


@dataclass(frozen=True)
class _Shared:
    """A subject to which another account may send requests; `to` is its name there.

    NATS remembers where the answers go for `seconds`; with `many_answers` there may be several within that time.
    """

    subject: str
    to: str
    seconds: int
    many_answers: bool = False

    def exported(self, to: str) -> str:
        """Return the export to an account."""
        kind = ", response_type: Stream" if self.many_answers else ""
        service = f"service: {json.dumps(self.subject)}, accounts: [{to}]"
        return f'{{ {service}, threshold: "{self.seconds}s"{kind} }}'

    def imported(self, of: str) -> str:
        """Return the import from an account."""
        service = f"{{ account: {of}, subject: {json.dumps(self.subject)} }}"
        return f"{{ service: {service}, to: {json.dumps(self.to)}, share: true }}"


def _of_consumers(call: str, seconds: int, *, many_answers: bool = False) -> _Shared:
    name = f"CONSUMER.{call}.{PUBLIC_STREAM}.*"
    return _Shared(f"$JS.API.{name}", f"{PROGRAM_API}.{name}", seconds, many_answers)


_READING = (
    _of_consumers("MSG.NEXT", PULL_SECONDS, many_answers=True),
    _of_consumers("INFO", ANSWER_SECONDS),
    _Shared(f"$JS.ACK.{PUBLIC_STREAM}.>", f"$JS.ACK.{PUBLIC_STREAM}.>", ANSWER_SECONDS),
)
_DISCONNECTING = (
    _Shared("$SYS.REQ.SERVER.PING.CONNZ", CONNECTIONS, ANSWER_SECONDS, many_answers=True),
    _Shared("$SYS.REQ.SERVER.*.KICK", f"{DISCONNECT}.*", ANSWER_SECONDS),
)
