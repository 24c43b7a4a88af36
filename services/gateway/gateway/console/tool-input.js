// The input of a tool call: an edit as the lines that it removes and adds, anything else as JSON.

import { difference } from "./diff.js";
import { create } from "./elements.js";

// The title of a tool call is the first of these parameters that it has, whatever the order in its input.
const TITLE_PARAMETERS = [
  "file_path", "notebook_path", "command", "pattern", "url", "query", "skill", "description", "path", "prompt", "name",
];
const DIRECTIONS = /[\u061C\u200E\u200F\u202A-\u202E\u2066-\u2069]/g; // make text look different from what it is
const SIGNS = { same: "  ", removed: "- ", added: "+ " };
const ELEMENTS = { same: "span", removed: "del", added: "ins", skipped: "small" };
// What a tool changes: a list of edits, [text before, text after, note]; undefined texts if the input is not as expected.
const EDITS = {
  Edit: (input) => [edit(input)],
  MultiEdit: ({ edits }) => edits.map(edit),
  NotebookEdit: ({ new_source: source, edit_mode: mode }) => [["", source, mode ?? "replace"]],
  Write: ({ content }) => [["", content, "Writes the whole file"]],
};

const edit = ({ old_string: before, new_string: after, replace_all: all }) => [
  before, after, all ? "Wherever it occurs" : "",
];

/** Show the input of a tool call in an element. */
export function showInput(element, tool, input) {
  const edits = input.truncated ? null : editsOf(tool, input);
  element.replaceChildren(...(edits ? changes(input, edits) : [scrollable(visible(JSON.stringify(input, null, 2)))]));
}

/** Return the edits of a call as [text before, text after, note]; null if it is none. */
function editsOf(tool, input) {
  try {
    const edits = Object.hasOwn(EDITS, tool) ? EDITS[tool](input) : [];
    const texts = edits.flatMap(([before, after]) => [before, after]);
    return texts.length > 0 && texts.every((text) => typeof text === "string") ? edits : null;
  } catch {
    return null; // a model can call a tool with any input
  }
}

function changes(input, edits) {
  const differences = edits.map(([before, after]) => difference(before, after));
  const parts = differences.flatMap((hunks, index) => [...note(edits[index][2]), block(hunks)]);
  return [fileName(input.file_path ?? input.notebook_path ?? "", differences.flat()), ...parts];
}

function fileName(path, hunks) {
  const count = (kind) => hunks.filter((hunk) => hunk.kind === kind).reduce((sum, hunk) => sum + hunk.lines.length, 0);
  const heading = create("p", { className: "file" });
  heading.append(
    create("code", { textContent: visible(String(path)) }), " ",
    create("span", { className: "added", textContent: `+${count("added")}` }), " ",
    create("span", { className: "removed", textContent: `−${count("removed")}` }),
  );
  return heading;
}

const note = (text) => (text ? [create("p", { className: "note", textContent: text })] : []);

function block(hunks) {
  const element = scrollable("");
  element.className = "diff";
  element.append(...hunks.map(({ kind, lines }) => create(ELEMENTS[kind], { textContent: visible(shown(kind, lines)) })));
  return element;
}

const shown = (kind, lines) => (kind === "skipped"
  ? `⋯ ${lines.length} unchanged lines`
  : lines.map((line) => SIGNS[kind] + line).join("\n"));
const visible = (text) => text.replace(DIRECTIONS, (mark) => `\\u${mark.codePointAt(0).toString(16).padStart(4, "0")}`);

/** Return a block of text that can be scrolled with the keyboard. */
const scrollable = (textContent) => create("pre", { textContent, tabIndex: 0 });

/** Return what a tool call is about, in one line; an empty text if the input does not say. */
export function title(input) {
  if (input.truncated) return ""; // the preview depends on the order of the keys; opening the call loads the input
  const names = [...TITLE_PARAMETERS, ...Object.keys(input).sort()];
  const name = names.find((each) => Object.hasOwn(input, each) && typeof input[each] === "string");
  return name ? visible(input[name]) : "";
}
