"""A service with STDIO servers, as a program.

`attack FOLDER` lets a hostile server attack the machine, and prints what each attack achieved, as JSON; with a third
argument, it switches to that account first. `wait SECONDS FOLDER` starts a server with a detached `sleep SECONDS`,
prints a line, and waits to be killed; its temporary files are in the folder.
"""

import asyncio
import json
import os
import pwd
import socket
import sys
import tempfile
from contextlib import suppress
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from mcp_connection import Connector
from mcp_connection.testing.executing import PATIENT, execute, stdio_server
from onebox.account import switch_to
from runtime.http.addresses import Address, AddressRules
from sandbox import Sandbox

SECRET = "plantedsecret-canary-that-no-server-may-see"
FORBIDDEN = {"loopback": "127.0.0.1", "name": "localhost", "metadata": "169.254.169.254", "mapped": "[::ffff:7f00:1]"}
REBOUND = "rebound.test"
"""A name that has the address 127.0.0.1, and was allowed by the owner of the server."""
READ_EVERYTHING = """
found = []
for folder in os.listdir('/proc'):
    for name in ('environ', 'cmdline', 'maps', 'mounts'):
        try:
            found.append(open(f'/proc/{folder}/{name}', 'rb').read().decode(errors='replace'))
        except OSError:
            pass
command = 'find / -name secret -exec cat {} + ; cat FOLDER/secret /proc/1/root/FOLDER/secret'
found.append(subprocess.run(command, shell=True, capture_output=True, text=True).stdout)
result = found
"""
CONNECT = """
import socket
try:
    socket.create_connection((HOST, PORT), timeout=5)
    result = 'connected'
except OSError as error:
    result = type(error).__name__
"""
CONNECT_THROUGH_PROXY = """
import socket
connection = socket.create_connection(('127.0.0.1', int(os.environ['HTTPS_PROXY'].rpartition(':')[2])), timeout=60)
connection.sendall(b'CONNECT HOST:PORT HTTP/1.1\\r\\n\\r\\n')
result = connection.recv(1000).decode().splitlines()[-1]
"""
FORK_BOMB = """
import signal
children = 0
try:
    while children < 5000:
        if os.fork() == 0:
            signal.pause()
        children += 1
except OSError as error:
    result = [children, type(error).__name__]
"""
FORBIDDEN_CALLS = """
import ctypes, errno
libc = ctypes.CDLL(None, use_errno=True)
def error_of(name, *arguments):
    ctypes.set_errno(0)
    return 'succeeded' if getattr(libc, name)(*arguments) == 0 else errno.errorcode[ctypes.get_errno()]
result = {
    'unshare': error_of('unshare', 0x10000000),
    'mount': error_of('mount', b'none', b'/usr', b'tmpfs', 0, None),
    'ptrace': error_of('ptrace', 16, 1, None, None),
    'setuid': error_of('setuid', 0),
}
"""
DETACH = "subprocess.Popen(['sleep', SECONDS], start_new_session=True, stdin=-3, stdout=-3, stderr=-3)"


async def resolve(host: str, port: int) -> list[Address]:
    """Return the addresses that names have in the attacks."""
    return [ip_address("127.0.0.1" if host in ("localhost", REBOUND) else host)]


async def attack(folder: Path, connector: Connector) -> dict[str, Any]:
    """Attack the machine, the service and another server; return the results by name."""
    workspace = folder / "workspace"
    workspace.mkdir()
    (workspace / "secret").write_text(SECRET)
    with socket.create_server(("127.0.0.1", 0)) as service:
        port = service.getsockname()[1]
        hosts = [f"{host}:{port}" for host in (*FORBIDDEN.values(), REBOUND)]
        attacker = stdio_server(network_hosts=["*", *hosts], env={"OWN": "x"})
        async with (
            connector.connect(stdio_server(env={"TOKEN": SECRET})),
            connector.connect(attacker, workspace=workspace) as upstream,
        ):
            found = await execute(upstream, READ_EVERYTHING.replace("FOLDER", str(workspace)))
            results: dict[str, Any] = {"found": [SECRET in text for text in found]}
            for name, host in FORBIDDEN.items():
                code = CONNECT.replace("HOST", repr(host.strip("[]"))).replace("PORT", str(port))
                results[f"connect to {name}"] = await execute(upstream, code)
            for name, host in {**FORBIDDEN, "rebound name": REBOUND}.items():
                code = CONNECT_THROUGH_PROXY.replace("HOST", host).replace("PORT", str(port))
                results[f"proxy to {name}"] = await execute(upstream, code)
            results["calls"] = await execute(upstream, FORBIDDEN_CALLS)
            results["fork bomb"] = await execute(upstream, FORK_BOMB) if os.geteuid() else None
            async with connector.connect(stdio_server()) as other:
                results["other server"] = await execute(other, "result = 'works'")
        service.setblocking(False)
        with suppress(BlockingIOError):
            service.accept()[0].close()
            results["accepted"] = True
    return results


async def wait(connector: Connector, seconds: str) -> None:
    """Start a server with a detached child, and wait."""
    async with connector.connect(stdio_server()) as upstream:
        await execute(upstream, DETACH.replace("SECONDS", repr(seconds)))
        print("started", flush=True)  # noqa: T201
        await asyncio.Event().wait()


async def main(action: str, argument: str) -> None:
    """Carry out the action."""
    sandbox, reason = await Sandbox.find()
    assert reason is None, reason
    async with Connector(sandbox, AddressRules(resolver=resolve), PATIENT) as connector:
        if action == "wait":
            await wait(connector, argument)
        else:
            print(json.dumps(await attack(Path(argument), connector)))  # noqa: T201


if __name__ == "__main__":
    action, argument, *last = sys.argv[1:]
    if action == "wait":
        tempfile.tempdir = last[0]
    elif last:
        switch_to(pwd.getpwnam(last[0]), Path(argument))
    os.environ["DATABASE_URL"] = SECRET  # noqa: TID251  as in a service
    asyncio.run(main(action, argument))
