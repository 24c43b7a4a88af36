// Fields for the properties of a flat JSON schema, as MCP servers send it to ask for input. Its texts are data.

import { find, stamp } from "./elements.js";

const INPUT_TYPES = {
  email: "email", uri: "url", date: "date", "date-time": "datetime-local", integer: "number", number: "number",
};

/** Return labels with fields for a schema, and a function that returns what was entered. */
export function inputFields(schema) {
  const required = new Set(schema?.required ?? []);
  const properties = Object.entries(schema?.properties ?? {});
  const fields = properties.map(([name, rules]) => field(name, rules, required.has(name)));
  const content = () => fields.map(({ name, read }) => [name, read()]).filter(([, value]) => value !== undefined);
  return { elements: fields.map(({ element }) => element), content: () => Object.fromEntries(content()) };
}

/** Return a field; `read()` returns its value, undefined if it is empty. The input has no name: names are data. */
function field(name, rules, isRequired) {
  const element = stamp("input-field");
  const { input, read } = control(rules, isRequired);
  find(".name", element).textContent = rules.title ?? name;
  find(".required", element).hidden = !isRequired;
  find(".hint", element).textContent = rules.description ?? "";
  element.append(input);
  return { name, element, read };
}

function control(rules, isRequired) {
  const choices = options(rules.type === "array" ? rules.items ?? {} : rules);
  if (choices) return selection(rules, choices, isRequired);
  if (rules.type === "boolean") return checkbox(rules);
  return text(rules, isRequired);
}

/** Return the choices of an enumeration as pairs of value and title; null if the schema is none. */
function options({ enum: values, enumNames: titles, oneOf, anyOf }) {
  if (values) return values.map((value, index) => [value, titles?.[index] ?? value]);
  return (oneOf ?? anyOf)?.map(({ const: value, title }) => [value, title ?? value]) ?? null;
}

function selection(rules, choices, isRequired) {
  const isMultiple = rules.type === "array";
  const chosen = new Set([rules.default ?? []].flat());
  const input = Object.assign(document.createElement("select"), { multiple: isMultiple, required: isRequired });
  if (!isMultiple) input.append(new Option("", ""));
  // The value of an option is its position, since the values of an enumeration may be no texts.
  choices.forEach(([value, title], index) => input.append(new Option(title, index, false, chosen.has(value))));
  const read = () => {
    const values = [...input.selectedOptions].filter((option) => option.value).map(({ value }) => choices[value][0]);
    return isMultiple ? values : values[0];
  };
  return { input, read };
}

function checkbox(rules) {
  const input = Object.assign(document.createElement("input"), { type: "checkbox", checked: rules.default === true });
  return { input, read: () => input.checked };
}

function text(rules, isRequired) {
  const input = document.createElement("input");
  input.type = INPUT_TYPES[rules.format ?? rules.type] ?? "text";
  input.required = isRequired;
  input.autocomplete = "off";
  const isNumber = input.type === "number";
  const limits = isNumber
    ? { min: rules.minimum, max: rules.maximum, step: rules.type === "integer" ? 1 : "any" }
    : { minlength: rules.minLength, maxlength: rules.maxLength };
  for (const [name, limit] of Object.entries(limits)) if (limit !== undefined) input.setAttribute(name, limit);
  input.value = rules.default ?? "";
  return { input, read: () => (input.value === "" ? undefined : value(input)) };
}

function value(input) {
  if (input.type === "number") return input.valueAsNumber;
  return input.type === "datetime-local" ? new Date(input.value).toISOString() : input.value;
}
