// The forms that decide approvals: of a tool call, of its repetition, or with input that an MCP server asks for.

import { ask, post } from "./api.js";
import { find, stamp, submits } from "./elements.js";
import { inputFields } from "./input-fields.js";
import { formatted, showAge } from "./times.js";

/** Return the form that approves or denies a tool call, or answers the question of an MCP server. */
export function approvalForm(approval) {
  const form = approval.kind === "elicitation" ? elicitation(approval) : toolCall(approval);
  find(".until", form).textContent = formatted(approval.expires_at);
  showAge(find(".remaining", form), approval.expires_at, "long");
  return form;
}

function toolCall({ id, kind }) {
  const form = stamp(kind === "outcome" ? "outcome-entry" : "approval-entry");
  submits(form, (given) => decide(id, given.get("decision"), {
    message: given.get("message"),
    remember: given.get("remember") ?? "once",
  }));
  return form;
}

function elicitation({ id, tool_name, tool_input, form: schema }) {
  const form = stamp("elicitation-entry");
  const fields = inputFields(schema);
  find(".server", form).textContent = tool_name;
  find(".text", form).textContent = tool_input.message;
  find(".fields", form).append(...fields.elements);
  submits(form, (given) => {
    const decision = given.get("decision");
    return decide(id, decision, decision === "approve" ? { content: fields.content() } : {});
  });
  return form;
}

const decide = (id, decision, body) => ask(`/approvals/${id}/${decision}`, post(body));
