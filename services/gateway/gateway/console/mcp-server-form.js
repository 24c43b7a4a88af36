// The form that registers an MCP server.

import { find, stamp, submits } from "./elements.js";

const PARTS = { STDIO: ".program", HTTP: ".remote", SSE: ".remote" };
const VARIABLE = ["=", "NAME=value"];
const HEADER = [":", "Name: value"];

/** Return an empty form, which calls `save(body)` with the server when it is submitted. */
export function serverForm(viewer, save) {
  const form = stamp("server-form");
  const isAdmin = viewer.role === "admin";
  find(".admin", form).hidden = !isAdmin;
  find(".note", form).hidden = isAdmin;
  const type = form.elements.server_type;
  type.addEventListener("change", () => showPart(form, type.value));
  showPart(form, type.value);
  submits(form, (fields) => save(definition(fields)));
  return form;
}

/** Show the fields of a type; the others are disabled, so that they are neither checked nor sent. */
function showPart(form, type) {
  for (const part of form.querySelectorAll("fieldset")) part.hidden = part.disabled = !part.matches(PARTS[type]);
}

function definition(fields) {
  const type = fields.get("server_type");
  return {
    name: fields.get("name"),
    description: fields.get("description"),
    server_type: type,
    is_global: fields.has("is_global"),
    ...(type === "STDIO" ? program(fields) : remote(fields)),
  };
}

function program(fields) {
  return {
    command: fields.get("command").trim(),
    args: lines(fields.get("args")),
    network_hosts: lines(fields.get("network_hosts")).map((host) => host.trim()),
    workspace: fields.get("workspace"),
    env: pairs(fields.get("env"), VARIABLE),
  };
}

const remote = (fields) => ({ url: fields.get("url"), headers: pairs(fields.get("headers"), HEADER) });

const lines = (text) => text.split(/\r?\n/).filter((line) => line.trim() !== "");

/** Return the names and values in a field, one pair a line. Throws Error if a line is no pair. */
function pairs(text, [separator, format]) {
  return Object.fromEntries(lines(text).map((line, index) => {
    const end = line.indexOf(separator);
    // The line itself is not quoted: it may contain a secret.
    if (end < 1) throw new Error(`Line ${index + 1} must have the form ${format}.`);
    return [line.slice(0, end).trim(), line.slice(end + 1).trim()];
  }));
}
