/**
 * What changed: one change at a time, and only what fits the position that the page has. The rules, and the
 * reasons for them, are in docs/protocol.md. `live:changed` {since, cursor, html, title, say} on the document
 * tells the page of a change that is in the DOM now.
 */
import htmx from "htmx";

const BEHIND = 2_000; // a page that is behind for so long has lost a message

const root = document.documentElement;
const board = document.getElementById("board");
const { path, view, scope } = board.dataset;

/** The position that the page shows, as EPOCH:SEQ. */
export const here = () => board.dataset.cursor;
/** What is asked for: this view of this scope, and more. */
export const query = (more) => new URLSearchParams({ view, ...(scope && { scope }), ...more });
export const after = (milliseconds) => new Promise((done) => setTimeout(done, milliseconds));
export const tell = (what, detail) => document.dispatchEvent(new CustomEvent(`live:${what}`, { detail }));

let turn = Promise.resolve();
let asking = null;

/** What arrives while a change is shown or asked for waits here. What fails is made good after a `head`. */
export function inTurn(step) {
  return (turn = turn.then(step).catch((error) => console.warn("live:", error)));
}

/** Whether this page has yet to reach a position. Of another epoch we cannot know: yes. */
function isAhead(cursor) {
  const [[epoch, number], [mine, reached]] = [cursor.split(":"), here().split(":")];
  return epoch !== mine || Number(number) > Number(reached);
}

/** A push. A whole board (without `since`) fits every position, parts fit those from `since` on. */
export function take(change) {
  if (isAhead(change.cursor)) return change.since && isAhead(change.since) ? catchUp() : show(change);
  if (!change.since && change.cursor !== here()) return catchUp(); // are we where a restored log has not been?
}

/** Asks for what came after our position; once, however many want to know. */
export function ask() {
  asking ??= inTurn(() => ((asking = null), catchUp()));
}

async function catchUp(cursor = here()) {
  const change = await request(cursor);
  if (change) await show(change);
}

export async function request(cursor, wait = 0, stop = new AbortController().signal) {
  const response = await fetch(`${path}/changes?${query({ cursor, wait })}`, {
    cache: "no-store", // through the cache, two tabs would wait for each other's held answer
    signal: AbortSignal.any([stop, AbortSignal.timeout(wait * 1000 + 10_000)]),
  });
  if (response.status === 404) reload(); // what was shown is gone, or no longer for us
  if (!response.ok) throw new Error(`${response.status} ${response.url}`);
  compareBuild(response.headers.get("Build"));
  return response.status === 200 ? response.json() : null;
}

/** Morphs the parts into the page, and only then moves on. htmx drops a part without a place: look first. */
export async function show(change) {
  if ("whole" in board.dataset) return showWhole(change);
  const template = document.createElement("template");
  template.innerHTML = change.html;
  const parts = [...template.content.children];
  if (!parts.every(({ id }) => document.getElementById(id))) return change.since ? catchUp("none") : reload();
  parts.forEach((part) => part.setAttribute("hx-swap-oob", "outerMorph"));
  await htmx.swap({ text: template.innerHTML, swap: "none" });
  board.dataset.cursor = change.cursor;
  tell("changed", change);
}

/** A document without a board of its own is asked for again, as soon as something has changed. */
async function showWhole(change) {
  const response = await fetch(location.href, { cache: "no-cache" });
  if (!response.ok) throw new Error(`${response.status} ${response.url}`);
  const fresh = new DOMParser().parseFromString(await response.text(), "text/html");
  const parts = ["name", "board", "links"].map((id) => fresh.getElementById(id)).filter((part) => part && document.getElementById(part.id));
  parts.forEach((part) => part.setAttribute("hx-swap-oob", "outerMorph"));
  await htmx.swap({ text: parts.map((part) => part.outerHTML).join(""), swap: "none" });
  tell("changed", { ...change, cursor: here(), title: fresh.title });
}

/** Where we should be by now. Still behind a little later, we have lost a message. */
export async function hearHead({ cursor, build }) {
  compareBuild(build);
  if (isAhead(cursor)) await after(BEHIND);
  if (isAhead(cursor)) ask();
}

/** A build is ASSETS.REST. Other scripts need a reload, not of all pages at once; else the whole board will do. */
function compareBuild(build) {
  const mine = root.dataset.build;
  if (!build || build === mine) return;
  if (build.split(".")[0] !== mine.split(".")[0]) return setTimeout(reload, Math.random() * 5_000);
  root.dataset.build = build;
  inTurn(() => catchUp("none"));
}

/** At most once a minute: a cache may answer with the same old copy. */
function reload() {
  const [{ type }] = performance.getEntriesByType("navigation");
  if (type !== "reload" || performance.now() > 60_000) location.reload();
}
