/**
 * The list of what happened: bounded, drawn once per frame however much arrives, with the newest where the
 * person wants it. It follows the newest while that is in sight, and else stays where the person reads.
 */
import { row } from "console/row";

const MOST = 500;
const QUIET = new Set(["head"]); // every few seconds, says little: shown when asked for

const $ = (id) => document.getElementById(id);
const [list, rows, names, jump] = [$("list"), $("rows"), $("names"), $("jump")];

const counts = new Map(); // name -> how many came
const hidden = new Set(QUIET);
let waiting = []; // not drawn yet
let entries = []; // drawn, oldest first
let isPaused = false;
let drawing = 0;
let unseen = 0;

/** Adds an entry, see row.js; `name` is what it is filtered by. Returns it, for answered(). */
export function add(entry) {
  entry.at ??= new Date();
  counts.set(entry.name, (counts.get(entry.name) ?? 0) + 1);
  waiting.push(entry);
  if (waiting.length > MOST) waiting.shift();
  drawing ||= requestAnimationFrame(draw);
  return entry;
}

/** The answer to an entry: {ok, words, by, payload, milliseconds}. */
export function answered(entry, answer) {
  entry.answer = answer;
  if (!entry.row?.isConnected) return;
  const fresh = made(entry, entry.row);
  entry.row.replaceWith(fresh);
  entry.row = fresh;
}

/** Keeps the focus, if the row that goes has it. */
function made(entry, old) {
  const fresh = row(entry);
  fresh.hidden = hidden.has(entry.name);
  if (old?.contains(document.activeElement)) queueMicrotask(() => fresh.querySelector("summary")?.focus());
  return fresh;
}

function draw() {
  drawing = 0;
  showNames();
  if (!isPaused) {
    const reading = place();
    const fresh = waiting;
    waiting = [];
    insert(fresh);
    trim();
    settle(reading, fresh.filter(({ name }) => !hidden.has(name)).length);
  }
  $("empty").hidden = entries.length > 0;
  $("count").textContent = counted();
}

function counted() {
  const total = [...counts.values()].reduce((sum, count) => sum + count, 0);
  if (isPaused) return waiting.length ? `paused, ${waiting.length} waiting` : "paused";
  return total > entries.length ? `last ${entries.length} of ${total}` : total ? String(total) : "";
}

const onTop = () => $("order").value === "top";

function insert(fresh) {
  const fragment = document.createDocumentFragment();
  for (const entry of fresh) entry.row = made(entry);
  const inOrder = fresh.map((entry) => entry.row);
  fragment.append(...(onTop() ? inOrder.reverse() : inOrder));
  if (onTop()) rows.prepend(fragment);
  else rows.append(fragment);
  entries.push(...fresh);
}

function trim() {
  for (const { row } of entries.splice(0, Math.max(0, entries.length - MOST))) row.remove();
}

// --- where the person reads ------------------------------------------------------------------------

const NEAR = 24; // pixels from the newest that count as there

const toNewest = () => (list.scrollTop = onTop() ? 0 : list.scrollHeight);

function place() {
  const away = onTop() ? list.scrollTop : list.scrollHeight - list.clientHeight - list.scrollTop;
  if (away < NEAR) return { isNear: true };
  const anchor = [...rows.children].find((item) => item.offsetTop + item.offsetHeight > list.scrollTop);
  return { isNear: false, anchor, offset: anchor?.offsetTop };
}

/** Either with the newest in sight, or exactly where it was. */
function settle({ isNear, anchor, offset }, came) {
  if (isNear) toNewest();
  else if (anchor?.isConnected) list.scrollTop += anchor.offsetTop - offset;
  unseen = isNear ? 0 : unseen + came;
  showJump();
}

function showJump() {
  jump.hidden = !unseen;
  jump.textContent = `${onTop() ? "↑" : "↓"} ${unseen} new`;
}

function follow() {
  if (!unseen || !place().isNear) return;
  unseen = 0;
  showJump();
}

// --- the tools -------------------------------------------------------------------------------------

/** A switch for each name that came. */
function showNames() {
  for (const [name, count] of counts) {
    const known = names.querySelector(`[data-name="${CSS.escape(name)}"]`) ?? names.appendChild(nameSwitch(name));
    known.lastChild.textContent = count;
  }
  names.hidden = !counts.size;
}

function nameSwitch(name) {
  const made = document.createElement("button");
  made.type = "button";
  made.dataset.name = name;
  made.setAttribute("aria-pressed", String(!hidden.has(name)));
  made.append(`${name} `, document.createElement("span"));
  made.addEventListener("click", () => {
    if (!hidden.delete(name)) hidden.add(name);
    made.setAttribute("aria-pressed", String(!hidden.has(name)));
    for (const entry of entries) entry.row.hidden = hidden.has(entry.name);
  });
  return made;
}

$("pause").addEventListener("click", () => {
  isPaused = !isPaused;
  $("pause").setAttribute("aria-pressed", String(isPaused));
  $("pause").textContent = isPaused ? "Resume" : "Pause";
  draw();
});

$("clear").addEventListener("click", () => {
  [waiting, entries, unseen] = [[], [], 0];
  counts.clear();
  rows.replaceChildren();
  names.replaceChildren();
  showJump();
  draw();
});

$("order").addEventListener("change", () => {
  rows.append(...[...rows.children].reverse());
  unseen = 0;
  showJump();
  toNewest();
});

jump.addEventListener("click", () => (toNewest(), follow(), list.focus()));
list.addEventListener("scroll", follow, { passive: true });
