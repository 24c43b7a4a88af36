"""A client generated from the OpenAPI document does everything with typed fields."""

from collections.abc import Generator
from pathlib import Path
from uuid import UUID

import pytest
from onebox.testing.system import System, until
from simulator.testing import bash, scripted

from tests.contracts.generated_client import GeneratedClient, generate, importable
from tests.e2e.user import PASSWORD, User

ANSWER = scripted(bash("echo hello | tee notes.txt"), {"text": "Done."})
REMOTE = {"name": "tickets", "server_type": "HTTP", "url": "https://mcp.invalid/"}


@pytest.fixture(scope="module")
def generated(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """The folder of the package, and the warnings of the generator."""
    folder = tmp_path_factory.mktemp("client")
    return folder, generate(folder)


@pytest.fixture(scope="module")
def client(system: System, generated: tuple[Path, str]) -> Generator[GeneratedClient]:
    """The client of somebody who has registered and logged in with it."""
    (folder, _), someone = generated, User(system.base_url)
    with someone.http, importable(folder) as client:
        client.connect(system.base_url)
        account = {"email": someone.email, "username": someone.name, "password": PASSWORD}
        client.call("authentication.register", body=client.model("Registration", **account))
        credentials = client.model("Credentials", email=someone.email, password=PASSWORD)
        client.connect(system.base_url, client.call("authentication.login", body=credentials).access_token)
        yield client


@pytest.fixture(scope="module")
def session_id(client: GeneratedClient) -> UUID:
    """A session whose agent has answered."""
    options = {"allowed_tools": ["Bash", "Read", "Write"]}
    session = client.call("sessions.create_session", body=client.model("NewSession", sdk_options=options))
    client.call("sessions.query_session", session.id, body=client.model("NewQuery", message=ANSWER))
    return session.id


def test_a_conversation_has_typed_blocks_and_outputs(client: GeneratedClient, session_id: UUID) -> None:
    [_, called, answered] = client.call("sessions.list_messages", session_id).items
    [call] = client.call("sessions.list_tool_calls", session_id).items
    assert (called.content.blocks[0].name, answered.content.blocks[0].text) == ("Bash", "Done.")
    assert (call.tool_output.content, call.id) == ("hello", called.content.blocks[0].tool_call_id)


def test_responses_have_all_their_fields(client: GeneratedClient, session_id: UUID) -> None:
    [listed] = client.call("sessions.list_runs", session_id).items
    run = client.call("sessions.get_run", session_id, listed.id)
    assert isinstance(run.usage.cost_usd, float)
    assert client.call("authentication.get_me").quotas.concurrent_runs is None


def test_files_are_written_and_read(client: GeneratedClient, session_id: UUID) -> None:
    written = client.call("workspace.write_file", session_id, "a/b.bin", body=client.file(b"\xff\x00"))
    read = client.call("workspace.read_file", session_id, "notes.txt").payload.read()
    assert (written.size_bytes, read) == (2, b"hello\n")


def test_an_archive_is_downloaded(client: GeneratedClient) -> None:
    session = client.call("sessions.create_session", body=client.model("NewSession"))
    archive = client.call("archives.archive_session", session.id, body=client.model("NewArchive"))
    content = client.call("archives.download_archive", session.id).payload.read()
    assert (content[:2], len(content)) == (b"\x1f\x8b", archive.archive_size_bytes)


def test_a_task_is_executed(client: GeneratedClient) -> None:
    new = client.model("NewTask", name="nightly", prompt_template=scripted({"text": "Done."}))
    task = client.call("tasks.create_task", body=new)
    started = client.call("tasks.execute_task", task.id, body=client.model("NewExecution"))
    until(lambda: client.call("tasks.get_execution", task.id, started.execution_id).completed_at)
    assert client.call("tasks.get_execution", task.id, started.execution_id).status == "completed"


def test_mcp_servers_are_exported_and_imported(client: GeneratedClient) -> None:
    server = client.call("mcp_servers.create_mcp_server", body=client.model("NewMcpServer", **REMOTE))
    exported = client.call("mcp_servers.export_mcp_servers").payload.read()
    client.call("mcp_servers.get_mcp_server", server.id)
    form = client.form("ImportMcpServersBody", exported.replace(b"tickets", b"copied"))
    imported = client.call("mcp_servers.import_mcp_servers", body=form)
    assert (exported[:12], imported.servers[0].name) == (b"mcp_servers:", "copied")


def test_a_report_is_created_and_downloaded(client: GeneratedClient, session_id: UUID) -> None:
    new = client.model("NewReport", session_id=str(session_id), format="markdown")
    report = client.call("reports.create_report", body=new)
    assert client.call("reports.download_report", report.id).payload.read().startswith(b"# ")


def test_metrics_are_text(client: GeneratedClient) -> None:
    assert "sessions_total" in client.call("monitoring.get_metrics")


def test_the_generator_leaves_nothing_out(generated: tuple[Path, str]) -> None:
    assert generated[1] == ""
