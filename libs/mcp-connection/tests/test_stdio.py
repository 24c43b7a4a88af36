"""STDIO servers: how they are started, what they see, and how their output is bounded."""

import asyncio
import os
import sys
from dataclasses import replace
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest
from contracts.refusals import Code
from mcp_connection import ConnectionFailed, ConnectionLimits, Connector
from mcp_connection.stdio import lines
from mcp_connection.stdio.diagnostics import MAX_LOGGED_BYTES
from mcp_connection.testing import stdio_command
from mcp_connection.testing.executing import PATIENT, execute, stdio_server
from mcp_connection.upstream import Upstream
from runtime.http.addresses import Address, AddressRules
from runtime.testing import eventually
from sandbox import Resources, Sandbox, SandboxedProcess
from structlog.testing import capture_logs


async def failure_of(connector: Connector, **server: Any) -> ConnectionFailed:
    with pytest.raises(ConnectionFailed) as failure:
        async with connector.connect(stdio_server(**server)):
            pass
    return failure.value


async def ended(upstream: Upstream) -> ConnectionFailed:
    """Wait until the connection has failed, and return why."""
    await eventually(lambda: upstream.failure is not None)
    assert upstream.failure
    return upstream.failure


async def test_a_server_sees_only_its_own_variables_and_a_few_defaults(connector: Connector) -> None:
    async with connector.connect(stdio_server(env={"TOKEN": "x"})) as upstream:
        seen = await execute(upstream, "result = sorted(os.environ)")
    assert seen == ["HOME", "IS_SANDBOX", "LANG", "LC_CTYPE", "PATH", "PWD", "TOKEN"]


async def test_a_server_with_network_hosts_gets_the_address_of_the_proxy(connector: Connector) -> None:
    async with connector.connect(stdio_server(network_hosts=["example.org"])) as upstream:
        seen = await execute(upstream, "result = [os.environ['HTTPS_PROXY'], os.environ['NODE_USE_ENV_PROXY']]")
    assert (seen[0].startswith("http://127.0.0.1:"), seen[1]) == (True, "1")


@pytest.mark.parametrize(
    ("access", "expected"), [("none", "FileNotFoundError"), ("read", "OSError: [Errno 30]"), ("write", None)]
)
async def test_the_declared_access_to_the_workspace_applies(
    connector: Connector, open_folder: Path, access: str, expected: str | None
) -> None:
    async with connector.connect(stdio_server(workspace=access), workspace=open_folder) as upstream:
        result = await execute(upstream, "open('/workspace/made', 'w').close()")
    assert (str(result).startswith(str(expected)), (open_folder / "made").exists()) == (True, access == "write")


async def test_a_declared_workspace_is_absent_outside_of_sessions(connector: Connector) -> None:
    async with connector.connect(stdio_server(workspace="write")) as upstream:
        assert await execute(upstream, "result = os.getcwd()") == "/home"


async def test_a_server_reads_the_paths_that_the_operator_provides(sandbox: Sandbox, open_folder: Path) -> None:
    (open_folder / "module").write_text("provided")
    connector = Connector(sandbox, AddressRules(), PATIENT, readable=(open_folder,))
    async with connector, connector.connect(stdio_server()) as upstream:
        assert await execute(upstream, f"result = open('{open_folder}/module').read()") == "provided"


@pytest.mark.parametrize("sandbox", [None, Sandbox(None)], ids=["none", "not confining"])
async def test_without_bubblewrap_no_server_is_started(sandbox: Sandbox | None) -> None:
    async with Connector(sandbox, AddressRules()) as connector:
        failure = await failure_of(connector)
    assert (failure.code, "bubblewrap" in failure.detail) == (Code.MCP_SERVER_UNAVAILABLE, True)


async def test_a_limited_number_of_programs_runs(sandbox: Sandbox) -> None:
    connector = Connector(sandbox, AddressRules(), replace(PATIENT, programs=1))
    async with connector:
        async with connector.connect(stdio_server()):
            assert (await failure_of(connector)).detail == "Too many STDIO servers are running. Try again later."
        async with connector.connect(stdio_server()):
            pass


async def test_a_sandbox_that_fails_is_reported_without_details() -> None:
    async with Connector(Sandbox(Path("/bin/false")), AddressRules(), PATIENT) as connector:
        assert (await failure_of(connector)).detail == "The program could not be started."


async def test_a_request_through_the_proxy_reaches_an_allowed_host(sandbox: Sandbox) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello")
        writer.close()

    async def resolve(_host: str, _port: int) -> list[Address]:
        return [ip_address("127.0.0.1")]

    rules = AddressRules(networks=(ip_network("127.0.0.0/8"),), resolver=resolve)
    async with (
        await asyncio.start_server(answer, "127.0.0.1", 0) as host,
        Connector(sandbox, rules, PATIENT) as connector,
    ):
        name = f"mcp.test:{host.sockets[0].getsockname()[1]}"
        async with connector.connect(stdio_server(network_hosts=[name])) as upstream:
            code = f"import urllib.request; result = urllib.request.urlopen('http://{name}').read().decode()"
            assert await execute(upstream, code) == "hello"


async def test_a_server_of_the_official_package_works_in_a_sandbox(sandbox: Sandbox) -> None:
    command, *args = stdio_command()
    readable = (Path(sys.prefix), Path(__file__).parents[2])
    connector = Connector(sandbox, AddressRules(), PATIENT, readable=readable)
    async with connector, connector.connect(stdio_server(command=command, args=args)) as upstream:
        assert "add" in {tool.name for tool in await upstream.list_tools()}


async def test_an_unknown_command_is_reported(connector: Connector) -> None:
    failure = await failure_of(connector, command="no-such-program")
    assert failure.code is Code.MCP_SERVER_UNAVAILABLE
    assert failure.detail == "The program ended with status 1: no-such-program: No such file or directory"


async def test_the_last_line_of_a_program_that_ends_is_reported_without_secrets(connector: Connector) -> None:
    env = {"TOKEN": "plantedsecret", "BEFORE": "sys.exit('bad token ' + os.environ['TOKEN'])"}
    assert (await failure_of(connector, env=env)).detail == "The program ended with status 1: bad token ***"


async def test_a_program_that_writes_no_messages_times_out(sandbox: Sandbox) -> None:
    async with Connector(sandbox, AddressRules(), ConnectionLimits(connect_seconds=1)) as connector:
        failure = await failure_of(connector, command="sleep", args=["60"])
    assert failure.code is Code.MCP_SERVER_TIMEOUT


async def test_lines_that_are_no_messages_are_skipped_and_logged(connector: Connector) -> None:
    greeting = "print('Welcome plantedsecret'); print('{}'); print(); sys.stdout.flush()"
    with capture_logs() as logs:
        async with connector.connect(stdio_server(env={"BEFORE": greeting, "TOKEN": "plantedsecret"})) as upstream:
            assert await execute(upstream, "result = 1") == 1
    assert [entry["line"] for entry in logs if "not a message" in entry["event"]] == ["Welcome ***", "{}"]


async def test_a_message_over_the_bound_ends_the_connection(sandbox: Sandbox) -> None:
    limits = replace(PATIENT, message_bytes=2**20)
    async with Connector(sandbox, AddressRules(), limits) as connector, connector.connect(stdio_server()) as upstream:
        with pytest.raises(ConnectionFailed, match="more than 1024 KiB"):
            await execute(upstream, "result = 'x' * 10_000_000")
        assert (await ended(upstream)).code is Code.MCP_SERVER_INVALID


async def test_the_end_of_a_server_fails_the_running_call(connector: Connector) -> None:
    async with connector.connect(stdio_server()) as upstream:
        with pytest.raises(ConnectionFailed, match="ended with status 3"):
            await execute(upstream, "os._exit(3)")


async def test_stderr_is_logged_without_secrets_and_up_to_a_bound(connector: Connector) -> None:
    flood = "sys.stderr.write('is plantedsecret\\n' * 100_000 + 'last\\n')"
    with capture_logs() as logs:
        async with connector.connect(stdio_server(env={"BEFORE": flood, "TOKEN": "plantedsecret"})) as upstream:
            await execute(upstream, "result = 1")
    logged = [entry["line"] for entry in logs if entry["event"] == "mcp server wrote to stderr"]
    assert (set(logged), 0 < sum(map(len, logged)) <= MAX_LOGGED_BYTES) == ({"is ***"}, True)
    assert [entry["event"] for entry in logs].count("mcp server wrote more to stderr, which is not logged") == 1


async def test_a_server_that_ignores_the_end_of_its_input_is_killed(connector: Connector) -> None:
    env = {"BEFORE": "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)", "AFTER": "time.sleep(600)"}
    async with connector.connect(stdio_server(env=env)) as upstream:
        await execute(upstream, f"subprocess.Popen(['sleep', '{own_seconds()}'], start_new_session=True)")
        await eventually(sleeping)  # while a process begins, its command line is empty
    assert not sleeping()


@pytest.mark.parametrize(("seconds", "heartbeats"), [(0.01, 2), (600.0, 1)])
async def test_a_running_server_gets_heartbeats_and_the_first_one_at_once(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, seconds: float, heartbeats: int
) -> None:
    sent: list[SandboxedProcess] = []
    monkeypatch.setattr("sandbox.heartbeats.HEARTBEAT_SECONDS", seconds)

    def record(process: SandboxedProcess) -> None:
        sent.append(process)

    monkeypatch.setattr(SandboxedProcess, "send_heartbeat", record)
    async with Connector(sandbox, AddressRules(), PATIENT) as connector, connector.connect(stdio_server()):
        await eventually(lambda: len(sent) >= heartbeats)


async def test_cancelling_the_connection_kills_the_server(connector: Connector) -> None:
    async def connect() -> None:
        async with connector.connect(stdio_server()) as upstream:
            await execute(upstream, f"subprocess.Popen(['sleep', '{own_seconds()}'])")
            connected.set()
            await asyncio.Event().wait()

    connected = asyncio.Event()
    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(connect())
        await connected.wait()
        task.cancel()
    assert not sleeping()


async def test_a_server_that_does_not_read_its_input_does_not_block_the_close(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mcp.shared.jsonrpc_dispatcher._ABANDON_WRITE_TIMEOUT", 0.2)
    limits = replace(PATIENT, call_seconds=0.2, close_seconds=0.2)
    async with Connector(sandbox, AddressRules(), limits) as connector, connector.connect(stdio_server()) as upstream:
        with pytest.raises(ConnectionFailed) as failure:
            await execute(upstream, "time.sleep(600)")
        with pytest.raises(ConnectionFailed):
            await execute(upstream, "#" * 1_000_000)
    assert failure.value.code is Code.MCP_SERVER_TIMEOUT


async def test_a_burst_of_messages_is_read_at_a_bounded_rate(monkeypatch: pytest.MonkeyPatch) -> None:
    waited: list[float] = []

    async def record(seconds: float) -> None:
        waited.append(seconds)

    monkeypatch.setattr("mcp_connection.throttle.asyncio.sleep", record)
    loop, reader = asyncio.get_running_loop(), asyncio.StreamReader()
    monkeypatch.setattr(loop, "time", Mock(return_value=loop.time()))
    reader.feed_data(b"{}\n" * (lines.BURST_LINES + 500))
    reader.feed_eof()
    assert len([line async for line in lines.read_lines(reader, 100)]) == lines.BURST_LINES + 500
    assert max(waited) == pytest.approx(500 / lines.LINES_PER_SECOND)


async def test_a_line_without_an_end_is_refused_while_it_is_read() -> None:
    reader = asyncio.StreamReader()
    reader.feed_data(b"x" * 3000)
    reader.feed_eof()
    with pytest.raises(ConnectionFailed, match="more than 1 KiB"):
        assert [line async for line in lines.read_lines(reader, 1024)] == []


def own_seconds() -> str:
    """Return how long the programs of this process sleep: other runs of the tests look for those of theirs."""
    return f"7654.{os.getpid()}"


def sleeping() -> bool:
    """Return whether a program of this process sleeps."""
    return any(f"sleep\0{own_seconds()}\0" in line for line in _command_lines())


def _command_lines() -> list[str]:
    found: list[str] = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            found.append(path.read_text(errors="replace"))
        except OSError:  # the process has ended meanwhile
            continue
    return found


async def test_a_program_that_was_ended_for_its_memory_says_so(
    connector: Connector, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(SandboxedProcess, "ran_out_of_memory", Mock(return_value=True))
    async with connector.connect(stdio_server()) as upstream:
        with pytest.raises(ConnectionFailed):
            await execute(upstream, "os._exit(1)")
        assert "needed more memory" in (await ended(upstream)).detail


async def test_a_program_has_the_resources_of_the_connector(sandbox: Sandbox) -> None:
    limits = replace(PATIENT, program_resources=Resources(memory_bytes=2**29, processes=50))
    async with Connector(sandbox, AddressRules(), limits) as connector, connector.connect(stdio_server()) as upstream:
        assert await execute(upstream, "import resource; result = resource.getrlimit(resource.RLIMIT_NPROC)[0]") == 50
