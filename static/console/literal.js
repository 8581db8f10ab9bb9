/** Values as source text of a language, so that copied code runs whatever is in the fields. */
const PYTHON_WORDS = { true: "True", false: "False", null: "None" };

/** An expression of the language, written as it stands. */
export class Expression {
  constructor(text) {
    this.text = text;
  }
}

export const javascript = (value, indent = "") =>
  written(value, indent, { key: javascriptKey, words: {}, step: "  ", space: " " });

const javascriptKey = (name) => (/^[A-Za-z_$][\w$]*$/.test(name) ? name : JSON.stringify(name));

export const python = (value, indent = "") =>
  written(value, indent, { key: (name) => JSON.stringify(name), words: PYTHON_WORDS, step: "    ", space: "" });

/** For bash: nothing in it is special. */
export const shell = (text) => (/^[\w./:=@%+,-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`);

function written(value, indent, language) {
  if (value instanceof Expression) return value.text;
  if (value === null || typeof value === "boolean") return language.words[value] ?? String(value);
  if (typeof value !== "object") return JSON.stringify(value);
  const inner = indent + language.step;
  if (Array.isArray(value)) return block(["[", "", "]"], value.map((item) => written(item, inner, language)), indent, inner);
  const fields = Object.entries(value).map(([name, item]) => `${language.key(name)}: ${written(item, inner, language)}`);
  return block(["{", fields.length ? language.space : "", "}"], fields, indent, inner);
}

/** On one line where it fits. */
function block([open, space, close], items, indent, inner) {
  const short = items.join(", ");
  if (short.length < 48 && !short.includes("\n")) return `${open}${space}${short}${space}${close}`;
  return `${open}\n${items.map((item) => `${inner}${item},\n`).join("")}${indent}${close}`;
}
