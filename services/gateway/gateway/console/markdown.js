// Markdown of agents, as elements. It is data: markup in it is shown as text, images are links that are not followed,
// and DOMPurify removes what this page does not expect.

import { create } from "./elements.js";
import { Marked, Tokenizer } from "./vendor/marked.esm.js";
import DOMPurify from "./vendor/purify.es.mjs";

const MAX_LENGTH = 25_000; // characters; a longer text is shown as it is
const MAX_MS = 400; // for the syntax of one text: some nested markup takes quadratic time
const MAX_CODE_LENGTH = 20_000; // characters of a code block with colours
const FIRST_HEADING = 4; // the page itself has headings of the levels 1 to 3
const TAGS = [
  "p", "h4", "h5", "h6", "ul", "ol", "li", "blockquote", "pre", "code", "span", "table", "thead", "tbody", "tr", "th",
  "td", "hr", "br", "strong", "em", "del", "a",
];
const CLASS = /^(?:source|language-[\w+#-]{1,30}|hljs-[\w -]{1,60})$/; // never one of the page's own
const CLEAN = {
  ALLOWED_TAGS: TAGS,
  ALLOWED_ATTR: ["href", "class", "start", "align"],
  ALLOWED_URI_REGEXP: /^(?:https?:\/\/|mailto:)/i, // a fragment could open a page of the console
  ADD_URI_SAFE_ATTR: ["start", "align"],
  ALLOW_DATA_ATTR: false,
  ALLOW_ARIA_ATTR: false,
  RETURN_DOM_FRAGMENT: true,
};
const ESCAPES = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" };

let deadline = Infinity;
let topDepth = 1; // of the headings of a text

/** Return functions that let a tokenizer work as usual until the time is over. */
function limited() {
  const check = () => {
    if (performance.now() > deadline) throw new Error("The text takes too long.");
    return false; // the tokenizer's own method goes on
  };
  const names = Object.getOwnPropertyNames(Tokenizer.prototype).filter((name) => name !== "constructor");
  return Object.fromEntries(names.map((name) => [name, check]));
}

const escaped = (text) => text.replace(/[&<>"]/g, (character) => ESCAPES[character]);

const renderer = {
  heading({ tokens, depth }) {
    const name = `h${Math.max(FIRST_HEADING, Math.min(FIRST_HEADING + depth - topDepth, 6))}`;
    return `<${name}>${this.parser.parseInline(tokens)}</${name}>`;
  },
  code({ text, lang }) {
    const language = /^[\w+#-]{1,30}/.exec(lang ?? "");
    return `<pre><code${language ? ` class="language-${language[0]}"` : ""}>${escaped(text)}\n</code></pre>`;
  },
  html({ text, block }) {
    return block ? `<p class="source">${escaped(text.trimEnd())}</p>` : escaped(text);
  },
  image({ href, text }) {
    return `<a href="${escaped(href)}">${escaped(text || href)}</a>`;
  },
  checkbox({ checked }) {
    return checked ? "☑ " : "☐ ";
  },
};

const hooks = {
  processAllTokens(tokens) {
    topDepth = Math.min(...tokens.filter(({ type }) => type === "heading").map(({ depth }) => depth));
    return tokens;
  },
};

const marked = new Marked({ gfm: true, breaks: true, renderer, hooks, tokenizer: limited() });

DOMPurify.addHook("uponSanitizeAttribute", (_, attribute) => {
  if (attribute.attrName === "class" && !CLASS.test(attribute.attrValue)) attribute.keepAttr = false;
});
DOMPurify.addHook("afterSanitizeAttributes", (element) => {
  if (element.localName !== "a" || !element.hasAttribute("href")) return;
  element.target = "_blank";
  element.rel = "noopener noreferrer";
  element.title = element.href; // where it leads, whatever its text says
});
DOMPurify.sanitize("", CLEAN); // creates its policy of trusted types now, so that no other script can

/** Show Markdown in an element; as plain text, and return false, if it is too long or too deeply nested. */
export function showMarkdown(element, text) {
  const fragment = rendered(text);
  element.classList.toggle("markdown", fragment !== null);
  element.replaceChildren(fragment ?? text);
  return fragment !== null;
}

function rendered(text) {
  if (text.length > MAX_LENGTH) return null;
  deadline = performance.now() + MAX_MS;
  try {
    const fragment = DOMPurify.sanitize(marked.parse(text), CLEAN);
    for (const table of fragment.querySelectorAll("table")) table.replaceWith(scrollable(table));
    for (const block of fragment.querySelectorAll("pre")) block.tabIndex = 0; // can be scrolled by keyboard
    return fragment;
  } catch {
    return null; // too slow, or nested more deeply than the stack allows
  } finally {
    deadline = Infinity;
  }
}

function scrollable(table) {
  const area = create("div", { className: "table", tabIndex: 0 });
  area.append(table.cloneNode(true));
  return area;
}

/** Colour the code blocks of an element whose language is known. The highlighter is loaded when it is first needed. */
export async function colourCode(element) {
  const blocks = element.querySelectorAll("pre > code[class^=language-]");
  if (blocks.length === 0) return;
  const { default: highlighter } = await import("./vendor/highlight.min.js");
  for (const block of blocks) {
    const language = block.className.slice("language-".length);
    if (!highlighter.getLanguage(language) || block.textContent.length > MAX_CODE_LENGTH) continue;
    const { value } = highlighter.highlight(block.textContent, { language, ignoreIllegals: true });
    block.replaceChildren(DOMPurify.sanitize(value, CLEAN));
  }
}
