"""Modules of the page that need no system."""

from typing import Any

import pytest

from tests.e2e.console.tab import Console

pytestmark = pytest.mark.asyncio(loop_scope="session")

DIFFERENCES = """async (pairs) => {
  const { difference } = await import("/console/diff.js");
  return pairs.map(([before, after]) => difference(before, after));
}"""
TITLES = """async (inputs) => {
  const { title } = await import("/console/tool-input.js");
  return inputs.map(title);
}"""
DURATIONS = """async (times) => {
  const { duration } = await import("/console/times.js");
  return times.map(duration);
}"""
MERGED = """async () => {
  const { merged } = await import("/console/live.js");
  const calls = [];
  let release;
  const act = merged(async (id) => {
    calls.push(id);
    if (id === "first") await new Promise((resolve) => { release = resolve; });
    if (id === "failing") throw new Error();
  });
  act("first");
  await null;
  const ends = ["failing", "again", "again", "first"].map((id) => act(id).then(() => calls.join(), () => "failed"));
  const before = calls.join();
  release();
  await ends[2];
  release();
  return [before, ...await Promise.all(ends)];
}"""
PACED = """async () => {
  const { paced } = await import("/console/live.js");
  const calls = [];
  let end;
  const last = new Promise((resolve) => { end = resolve; });
  const act = paced(0, async (ids) => {
    calls.push([...ids]);
    if (ids.has("end")) end();
    throw new Error();
  });
  act("first");
  await null;
  for (const id of ["second", "second", "end"]) act(id);
  await last;
  return calls;
}"""
LOADED = """async () => {
  const { Table } = await import("/console/table.js");
  const section = document.getElementById("list");
  const requests = [];
  window.fetch = () => new Promise((resolve) => { requests.push(resolve); });
  const settled = () => new Promise((resolve) => { setTimeout(resolve); });
  const respond = async (resolve, id, next) => {
    const items = [{ id, created_at: "2026-01-01T00:00:00Z" }];
    resolve?.({ ok: true, json: async () => ({ items, links: { next } }) });
    await settled();
  };
  const newRow = () => document.createElement("li");
  const table = new Table(section, { path: "/sessions", newRow, fill: () => {} });
  const load = async () => { table.load(); await settled(); };
  await load();
  await respond(requests.shift(), "first", "/next");
  section.querySelector(".more").click();
  await settled();
  const late = requests.shift();
  await load();
  await respond(requests.shift(), "found", null);
  await respond(late, "second", null);
  await respond(requests.shift(), "found", null);
  return [...section.querySelectorAll("ul > li")].map((row) => row.dataset.id);
}"""
UNANSWERED = """async () => {
  const { get } = await import("/console/api.js");
  const { timeout } = AbortSignal;
  AbortSignal.timeout = () => timeout(0);
  window.fetch = (_, { signal }) => new Promise((_, reject) => {
    signal.addEventListener("abort", () => reject(signal.reason));
  });
  return get("/sessions", { signal: new AbortController().signal }).catch(({ message }) => message);
}"""
POLICY = """(name) => {
  try { trustedTypes.createPolicy(name, {}); return true; } catch { return false; }
}"""


def joined(hunks: list[dict[str, Any]], left_out: str) -> list[str]:
    """Return the lines of one of the texts."""
    return [line for hunk in hunks if hunk["kind"] != left_out for line in hunk["lines"]]


def lines(text: str) -> list[str]:
    return text.removesuffix("\n").split("\n") if text else []


async def test_a_difference_contains_both_texts(modules: Console) -> None:
    texts = ["", "a\nb\nc\n", "a\nc\n", "c\nb\na\n", "x\n" * 9 + "a\n" + "x\n" * 9, "x\n" * 18, "a\r\nb"]
    pairs = [[before, after] for before in texts for after in texts]
    hunks: list[list[dict[str, Any]]] = await modules.page.evaluate(DIFFERENCES, pairs)
    for (before, after), found in zip(pairs, hunks, strict=True):
        assert joined(found, "added") == lines(before)
        assert joined(found, "removed") == lines(after)


async def test_the_title_of_a_tool_call_does_not_depend_on_the_order(modules: Console) -> None:
    write, bash = {"content": "a", "file_path": "/workspace/1.txt"}, {"description": "A test", "command": "echo one"}
    other = {"b": "second", "a": "first", "number": 1}
    inputs = [given for each in (write, bash, other) for given in (each, dict(reversed(each.items())))]
    expected = ["/workspace/1.txt"] * 2 + ["echo one"] * 2 + ["first"] * 2
    assert await modules.page.evaluate(TITLES, inputs) == expected


async def test_durations_are_shown_in_the_units_that_matter(modules: Console) -> None:
    shown = await modules.page.evaluate(DURATIONS, [None, 9_949, 10_000, 330_000, 3_600_000, 3_725_000])
    assert shown == ["", "9.9 s", "10 s", "5 min 30 s", "1 h", "1 h 2 min 5 s"]


async def test_a_read_without_a_response_fails(modules: Console) -> None:
    assert (await modules.page.evaluate(UNANSWERED)).startswith("Cannot reach the server.")


async def test_changes_of_an_item_are_read_one_at_a_time_and_not_twice(modules: Console) -> None:
    before, *ends = await modules.page.evaluate(MERGED)
    assert before == "first"
    again = "first,failing,again"
    assert ends == ["failed", again, again, f"{again},first"]


async def test_changes_during_a_pause_are_read_together(modules: Console) -> None:
    assert await modules.page.evaluate(PACED) == [["first"], ["second", "end"]]


async def test_a_late_page_is_not_added_to_a_list_that_was_loaded_again(modules: Console) -> None:
    assert await modules.page.evaluate(LOADED) == ["found"]


async def test_no_script_can_create_a_policy_for_markup(modules: Console) -> None:
    created = [name for name in ("dompurify", "default", "another") if await modules.page.evaluate(POLICY, name)]
    modules.complaints.clear()  # the browser reports the attempts
    assert created == []
