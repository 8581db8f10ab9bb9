/** One line of the list: what it is at a glance, and its data when it is unfolded. */
import { pretty } from "console/json";

const clock = new Intl.DateTimeFormat("en-GB", { timeStyle: "medium" });
const WAYS = { in: ["↓", "received"], out: ["↑", "sent"], note: ["·", "note"], gap: ["!", "mind"] };
const PREVIEW = 160; // characters

export const bytesOf = (payload) => new TextEncoder().encode(JSON.stringify(payload) ?? "").length;

/** `412 B`, `1.2 KB` */
const size = (bytes) => (bytes < 1024 ? `${bytes} B` : `${(bytes / 1024).toFixed(1)} KB`);

/** The row of an entry {way, name, type, id, at, payload, bytes, words, answer, again}. */
export function row(entry) {
  const item = element("li", "happening");
  item.dataset.name = entry.name;
  item.dataset.kind = entry.kind;
  if (entry.payload === undefined) item.append(line("p", entry));
  else item.append(folded(entry));
  return item;
}

function folded(entry) {
  const fold = element("details");
  fold.append(line("summary", entry));
  fold.open = entry.open ?? false;
  const fill = () => fold.childElementCount === 1 && fold.append(body(entry));
  if (fold.open) fill();
  fold.addEventListener("toggle", () => {
    entry.open = fold.open; // a row that is made again stays as it was
    if (fold.open) fill(); // nobody reads most of them
  });
  return fold;
}

function line(tag, entry) {
  const [arrow, words] = WAYS[entry.way];
  const whole = element(tag, "line");
  const way = element("span", "way", arrow);
  way.setAttribute("role", "img");
  way.setAttribute("aria-label", words);
  whole.append(time(entry.at), way, element("span", "event", entry.label ?? entry.name));
  if (entry.type) whole.append(element("span", "type", entry.type));
  if (entry.again) whole.append(element("span", "type", "seen before"));
  if (entry.answer) whole.append(answered(entry.answer));
  whole.append(element("span", "gist", entry.words ?? preview(entry.payload)));
  if (entry.id) whole.append(position(entry.id));
  if (entry.bytes) whole.append(element("span", "size", size(entry.bytes)));
  return whole;
}

function time(at) {
  const shown = element("time", "", `${clock.format(at)}.${String(at.getMilliseconds()).padStart(3, "0")}`);
  shown.dateTime = at.toISOString();
  return shown;
}

/** The number says enough; the whole position is in the title and in the data. */
function position(id) {
  const shown = element("span", "id", `#${id.split(":").at(-1)}`);
  shown.title = id;
  return shown;
}

function answered({ ok, words, milliseconds }) {
  const shown = element("span", "answered", `${ok ? "✓" : "✕"} ${words} · ${milliseconds} ms`);
  shown.dataset.ok = ok;
  return shown;
}

/** What tells events apart: names and states first, else the beginning of the JSON. */
function preview(payload) {
  const { data = payload } = payload ?? {};
  const told = [data?.name, data?.title, data?.status, data?.message].filter(
    (value) => value && typeof value === "string",
  );
  const text = told.length ? told.join(" · ") : (JSON.stringify(data) ?? "");
  return text.length > PREVIEW ? `${text.slice(0, PREVIEW)}…` : text;
}

function body({ payload, answer }) {
  const whole = element("div", "body");
  if (answer?.payload !== undefined) whole.append(element("p", "part", "Sent"));
  whole.append(pretty(payload));
  if (answer?.payload !== undefined)
    whole.append(element("p", "part", `${answer.by} after ${answer.milliseconds} ms`), pretty(answer.payload));
  return whole;
}

function element(tag, className = "", text = "") {
  const made = document.createElement(tag);
  if (className) made.className = className;
  if (text) made.textContent = text;
  return made;
}
