/** JSON to read: pretty, its kinds marked for the style sheet, as text nodes only. */
const TOKEN = /("(?:\\.|[^"\\])*")(\s*:)?|\b(?:true|false|null)\b|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/g;
const COLOURED = 20_000; // characters; more than this is shown in one colour

export function pretty(value) {
  const text = JSON.stringify(value, null, 2) ?? "";
  const pre = document.createElement("pre");
  pre.tabIndex = 0; // it may scroll sideways
  pre.setAttribute("role", "group");
  pre.setAttribute("aria-label", "JSON");
  pre.append(...(text.length > COLOURED ? [text] : coloured(text)));
  return pre;
}

function* coloured(text) {
  let end = 0;
  for (const found of text.matchAll(TOKEN)) {
    const [whole, string, colon] = found;
    yield text.slice(end, found.index);
    yield marked(string ?? whole, colon ? "key" : string ? "string" : "literal");
    if (colon) yield colon;
    end = found.index + whole.length;
  }
  yield text.slice(end);
}

function marked(text, kind) {
  const span = document.createElement("span");
  span.className = kind;
  span.textContent = text;
  return span;
}
