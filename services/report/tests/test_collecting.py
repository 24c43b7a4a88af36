"""The content of reports: what is collected from a session, and where it is cut."""

from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Any
from uuid import UUID

import pytest
from contracts.refusals import Code, Refusal
from contracts.report.values import ReportRequest
from contracts.samples import REPORT, SESSION, USER
from contracts.session.conversation import GetMessage, ListMessages
from report.collecting import collect
from report.collecting.budget import MAX_CONTENT_BYTES, MAX_FULL_READS, MAX_VALUE_BYTES
from report.content import ReportContent, SessionSection
from runtime.blocking import BlockingPool

from .fake_session import PREVIEW, RUN, FakeSession, at, identifier

type Collect = Callable[..., Awaitable[ReportContent]]


@pytest.fixture
def session() -> FakeSession:
    return FakeSession()


@pytest.fixture
async def collected(session: FakeSession) -> AsyncGenerator[Collect]:
    async def ask(query: Any) -> Any:
        return session.answer(query)

    async with BlockingPool.open() as blocking:

        async def collected(**fields: Any) -> ReportContent:
            request = ReportRequest.model_validate({"session_id": SESSION, "format": "json"} | fields)
            return await collect(UUID(REPORT), UUID(USER), request, ask, blocking)

        yield collected


def section(content: ReportContent) -> SessionSection:
    assert content.session
    return content.session


async def test_the_title_is_the_name_of_the_session_unless_it_is_chosen(collected: Collect) -> None:
    assert (await collected()).title == "My Session"
    assert (await collected(title="For the board")).title == "For the board"


@pytest.mark.parametrize(("full_name", "shown"), [("Ada Lovelace", "Ada Lovelace"), (None, "ada")])
async def test_a_report_names_its_owner(
    collected: Collect, session: FakeSession, full_name: str | None, shown: str
) -> None:
    session.owner = full_name
    assert (await collected()).created_for == shown


async def test_a_report_of_an_owner_who_is_not_found_names_nobody(
    collected: Collect, session: FakeSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: object) -> None:
        raise Refusal(Code.USER_NOT_FOUND, "There is no such user.")

    monkeypatch.setattr(session, "_user", refuse)
    assert (await collected()).created_for == ""


async def test_a_report_of_a_fork_says_where_its_conversation_is_from(collected: Collect, session: FakeSession) -> None:
    session.parent_id = identifier(9, 1)
    [note] = (await collected()).notes
    assert note.startswith(f"The conversation begins with a copy of that of session {session.parent_id}")


async def test_denied_calls_are_not_counted_as_failed(collected: Collect, session: FakeSession) -> None:
    session.say("Trying")
    session.calls.append(session.call("Bash", {}).model_copy(update={"status": "denied"}))
    [use] = section(await collected()).tools
    assert (use.calls, use.errors, use.denied) == (2, 0, 1)


async def test_totals_are_those_of_the_session(collected: Collect, session: FakeSession) -> None:
    session.run()
    session.say("Hello")
    totals = (await collected()).totals
    assert (totals.runs, totals.messages, str(totals.cost_usd), totals.active_ms) == (1, 1, "0.5", 1000)


async def test_a_run_has_its_whole_question_and_its_last_answer(collected: Collect, session: FakeSession) -> None:
    session.run("Fix")
    for text, role in (("Fix it all", "user"), ("Looking", "assistant"), ("Fixed", "assistant"), ("", "assistant")):
        session.say(text, role)
    [run] = section(await collected()).runs
    assert (run.query, run.answer, run.status, run.input_tokens) == ("Fix it all", "Fixed", "completed", 10)


async def test_text_of_a_subagent_is_not_the_answer_of_a_run(collected: Collect, session: FakeSession) -> None:
    session.run()
    session.say("Mine")
    session.say("Its", parent_tool_call_id=identifier(2, 1))
    assert section(await collected()).runs[0].answer == "Mine"


async def test_a_message_that_was_cut_off_is_incomplete(collected: Collect, session: FakeSession) -> None:
    session.say("I was", incomplete=True)
    assert section(await collected()).messages[0].incomplete


async def test_tool_calls_are_shown_with_their_message(collected: Collect, session: FakeSession) -> None:
    session.say("One")
    session.call("Read", {"file_path": "/workspace/a"})
    session.say("Two")
    session.call("Bash", {"command": "ls"}, status="error")
    shown = section(await collected()).messages
    assert [[call.name for call in message.tool_calls] for message in shown] == [["Read"], ["Bash"]]


async def test_a_call_of_no_known_message_is_shown_with_the_last(collected: Collect, session: FakeSession) -> None:
    session.say("One")
    session.call("Read", {})
    session.messages[0].content["blocks"].clear()
    session.say("Two")
    assert [len(message.tool_calls) for message in section(await collected()).messages] == [1, 0]


async def test_tools_and_models_are_counted(collected: Collect, session: FakeSession) -> None:
    session.say("One")
    for status in ("success", "error"):
        session.call("Bash", {}, status=status)
    session.call("Read", {})
    content = section(await collected())
    assert [(use.name, use.calls, use.errors, use.total_ms) for use in content.tools] == [
        ("Bash", 2, 1, 10),
        ("Read", 1, 0, 5),
    ]
    assert [(use.model, use.messages) for use in content.models] == [("claude-sonnet-4-5", 1)]


async def test_an_edit_has_a_unified_diff(collected: Collect, session: FakeSession) -> None:
    session.say("One")
    session.call("Edit", {"file_path": "/workspace/a.py", "old_string": "x\ny", "new_string": "x\nz"})
    [message] = section(await collected()).messages
    assert message.tool_calls[0].diff == "--- a.py\n+++ a.py\n@@ -1,2 +1,2 @@\n x\n-y\n+z\n"


async def test_a_new_file_and_several_edits_have_diffs(collected: Collect, session: FakeSession) -> None:
    session.say("One")
    session.call("Write", {"file_path": "/workspace/a.py", "content": "x"})
    edits = [{"old_string": "x", "new_string": "y"}, {"old_string": "p", "new_string": "q"}, "odd"]
    session.call("MultiEdit", {"file_path": "/workspace/a.py", "edits": edits})
    [message] = section(await collected()).messages
    written, edited = (call.diff or "" for call in message.tool_calls)
    assert written == "--- /dev/null\n+++ a.py\n@@ -0,0 +1 @@\n+x\n"
    assert [line for line in edited.splitlines() if line[0] in "+-" and line[1] not in "+-"] == ["-x", "+y", "-p", "+q"]


@pytest.mark.parametrize(
    "path", [".git/config", "app/__pycache__/a.cpython-313.pyc", "Main.class", "node_modules/x.js"]
)
async def test_files_of_tools_are_not_listed(collected: Collect, session: FakeSession, path: str) -> None:
    session.say("Done", role="assistant")
    for written in (path, ".github/a.yml"):
        session.call("Write", {"file_path": f"/workspace/{written}", "content": "x"})
        session.add_file(written, 1)
    content = await collected()
    assert [file.path for file in section(content).files_changed] == [".github/a.yml"]
    assert [file.path for file in section(content).workspace] == [".github/a.yml"]
    assert content.notes == ["Files that tools keep, such as those in `.git` and `__pycache__`, are not listed."]


async def test_changed_files_have_writes_size_and_diff(collected: Collect, session: FakeSession) -> None:
    session.say("One")
    for content in ("x", "y"):
        session.call("Write", {"file_path": "/workspace/a.py", "content": content})
    session.call("Write", {"file_path": "/workspace/failed.py", "content": "x"}, status="error")
    session.add_file("a.py", 7)
    session.add_file("folder", 0, "directory")
    content = section(await collected())
    assert [(file.path, file.writes, file.size_bytes) for file in content.files_changed] == [("a.py", 2, 7)]
    assert "+x" in (content.files_changed[0].diff or "")
    assert [file.path for file in content.workspace] == ["a.py"]


async def test_a_huge_edit_is_shown_without_searching_common_lines(collected: Collect, session: FakeSession) -> None:
    session.say("One")
    same = "\n" * 30_000
    session.call("Edit", {"file_path": "a", "old_string": same, "new_string": same + "x"})
    [message] = section(await collected()).messages
    assert (message.tool_calls[0].diff or "").startswith("--- a\n+++ a\n-\n-\n")


async def test_approvals_are_shown_in_their_order(collected: Collect, session: FakeSession) -> None:
    session.approve("approved", message=None)
    session.approve("denied")
    approvals = section(await collected()).approvals
    assert [(approval.status, approval.message) for approval in approvals] == [("approved", None), ("denied", "No.")]


async def test_files_of_an_archived_session_are_noted_as_missing(collected: Collect, session: FakeSession) -> None:
    session.no_files = Code.SESSION_ARCHIVED
    content = await collected()
    assert section(content).workspace == []
    assert content.notes == ["The session is archived: the files of its workspace are not listed."]


async def test_a_long_conversation_is_its_beginning_and_its_end(collected: Collect, session: FakeSession) -> None:
    for n in range(2100):
        session.say(f"text {n}")
    content = await collected()
    shown = [message.text for message in section(content).messages]
    assert (len(shown), shown[199], shown[200], shown[-1]) == (2000, "text 199", "text 300", "text 2099")
    assert content.notes == ["Of 2,100 messages, the first 200 and the newest 1,800 are shown."]


async def test_two_thousand_messages_are_all_shown_once(collected: Collect, session: FakeSession) -> None:
    for n in range(2000):
        session.say(f"text {n}")
    content = await collected()
    assert [message.text for message in section(content).messages] == [f"text {n}" for n in range(2000)]
    assert content.notes == []


async def test_many_tool_calls_are_cut_with_a_note(collected: Collect, session: FakeSession) -> None:
    session.say("One")
    for _ in range(501):
        session.call("Bash", {})
    content = await collected()
    assert sum(len(message.tool_calls) for message in section(content).messages) == 500
    assert content.notes[0].startswith("Of 501 tool calls, the first 50 and the newest 450 are shown")


async def test_values_that_lists_shorten_are_read_in_full(collected: Collect, session: FakeSession) -> None:
    message = session.say("x" * 1000)
    message.content.update(PREVIEW)
    session.whole[message.id] = message.model_copy(update={"content": {"content": "x" * 20_000}})
    call = session.call("Read", PREVIEW | {"preview": "{"})
    session.whole[call.id] = call.model_copy(update={"tool_input": {"file_path": "y" * 20_000}})
    [entry] = section(await collected()).messages
    assert (len(entry.text), entry.shortened) == (20_000, False)
    assert entry.tool_calls[0].input == {"file_path": "y" * 20_000}


async def test_the_number_of_full_reads_is_limited(collected: Collect, session: FakeSession) -> None:
    for _ in range(MAX_FULL_READS + 1):
        message = session.say("x")
        message.content.update(PREVIEW)
        session.whole[message.id] = message.model_copy(update={"content": {"content": "whole"}})
    content = await collected()
    assert sum(isinstance(query, GetMessage) for query in session.asked) == MAX_FULL_READS
    assert section(content).messages[-1].shortened
    assert len(content.notes) == 1


async def test_a_long_value_is_cut_with_a_note(collected: Collect, session: FakeSession) -> None:
    session.say("é" * MAX_VALUE_BYTES)
    session.call("Bash", {}, tool_output={"content": "x" * 2 * MAX_VALUE_BYTES})
    content = await collected()
    [message] = section(content).messages
    assert (len(message.text.encode()), message.shortened) == (MAX_VALUE_BYTES, True)
    assert (len(str(message.tool_calls[0].output)), message.tool_calls[0].shortened) == (MAX_VALUE_BYTES, True)
    assert content.notes == ["Texts of more than 64 KiB are cut."]


async def test_all_of_the_content_is_bounded(collected: Collect, session: FakeSession) -> None:
    for _ in range(MAX_CONTENT_BYTES // MAX_VALUE_BYTES + 50):
        session.say("x" * MAX_VALUE_BYTES)
    content = await collected()
    assert len(content.model_dump_json()) < MAX_CONTENT_BYTES * 1.1
    assert section(content).messages[-1].text == ""
    assert any("exceeds 20 MB" in note for note in content.notes)


async def test_messages_and_tool_calls_are_left_out_on_request(collected: Collect, session: FakeSession) -> None:
    session.say("One")
    session.say("Two")
    session.call("Bash", {})
    without_messages = section(await collected(include_messages=False)).messages
    assert [(message.text, len(message.tool_calls)) for message in without_messages] == [("", 1)]
    without_calls = section(await collected(include_tool_calls=False))
    assert [(message.text, message.tool_calls) for message in without_calls.messages] == [("One", []), ("Two", [])]
    assert [use.name for use in without_calls.tools] == ["Bash"]


async def test_a_session_that_does_not_exist_is_refused(collected: Collect) -> None:
    with pytest.raises(Refusal, match=Code.SESSION_NOT_FOUND):
        await collected(session_id=identifier(9, 9))


async def test_pages_are_asked_for_one_after_the_other(collected: Collect, session: FakeSession) -> None:
    for _ in range(150):
        session.say("x")
    await collected()
    asked = [query for query in session.asked if isinstance(query, ListMessages)]
    assert [(query.after, query.limit) for query in asked] == [(None, 100), (identifier(1, 100), 100)]


async def test_times_of_a_session_are_those_of_its_runs(collected: Collect, session: FakeSession) -> None:
    session.run()
    content = section(await collected())
    assert (content.created_at, content.ended_at, content.runs[0].id) == (at(0), at(60), UUID(RUN))
