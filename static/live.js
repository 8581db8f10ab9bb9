/**
 * Keeps the page current: a ladder of transports, and one way to show what any of them brings.
 * The rules are those of docs/protocol.md.
 *
 * It tells the page, by events on the document: `live:changed`, a change that is in the DOM now
 * {since, cursor, html, title, say}; `live:state` {transport, seen}: what brings changes, or null
 * since the moment `seen`.
 */
import htmx from "htmx";

const FIRST_SIGN = 5_000; // a rung that is silent for so long at its start gives way to the next one
const NEXT_SIGN = 40_000; // a `head` comes every 15 to 25 s
const FRESH = 20_000; // how old the last sign may be when a page wakes, for its connection to be trusted
const BEHIND = 2_000;
const YOUNG = 10_000; // a connection that ends before this age has failed
const PLAIN_POLL = 12_000;

const root = document.documentElement;
const board = document.getElementById("board");
const { path, view, organization, tenant } = board.dataset;
const here = () => board.dataset.cursor;
const tell = (what, detail) => document.dispatchEvent(new CustomEvent(`live:${what}`, { detail }));

// --- what changed: one change at a time, and only what follows the position that the page has ---------

let turn = Promise.resolve();
let asking = null;

/** Pushes that arrive while another is shown, or while we ask, wait here. What fails is asked again at a `head`. */
function inTurn(step) {
  turn = turn.then(step).catch((error) => console.warn("live:", error));
  return turn;
}

/** Whether a position is one that this page has not reached. Of another epoch we cannot tell: yes. */
function isAhead(cursor) {
  const [epoch, number] = cursor.split(":");
  const [mine, reached] = here().split(":");
  return epoch !== mine || Number(number) > Number(reached);
}

/** A push. Parts fit every position from `since` on; a whole board (no `since`) fits all. */
function take(change) {
  if (!isAhead(change.cursor)) return;
  if (change.since && isAhead(change.since)) return catchUp();
  return show(change);
}

/** Asks for everything after our position; queued once, however many want it. */
function ask() {
  asking ??= inTurn(() => ((asking = null), catchUp()));
}

async function catchUp(cursor = here()) {
  const change = await request(cursor);
  if (change) await show(change);
}

async function request(cursor, wait = 0, stop = new AbortController().signal) {
  const response = await fetch(`${path}/changes?${new URLSearchParams({ cursor, view, wait })}`, {
    cache: "no-store", // through the HTTP cache, two tabs would wait for each other's held answers
    signal: AbortSignal.any([stop, AbortSignal.timeout(wait * 1000 + 10_000)]),
  });
  if (response.status === 404) reload(); // what this page shows is gone, or no longer for us
  if (!response.ok) throw new Error(`${response.status} ${response.url}`);
  compareBuild(response.headers.get("Build"));
  return response.status === 200 ? response.json() : null;
}

/** Morphs the parts into the page, and only then moves on. htmx drops a part without a place: look first. */
async function show(change) {
  const template = document.createElement("template");
  template.innerHTML = change.html;
  const parts = [...template.content.children];
  if (!parts.every((part) => document.getElementById(part.id))) return change.since ? catchUp("none") : reload();
  parts.forEach((part) => part.setAttribute("hx-swap-oob", "outerMorph"));
  await htmx.swap({ text: template.innerHTML, swap: "none" });
  board.dataset.cursor = change.cursor;
  tell("changed", change);
}

/** The last message may have been lost: a `head` says where we should be. */
function hearHead({ cursor, build }) {
  compareBuild(build);
  if (isAhead(cursor)) setTimeout(() => isAhead(cursor) && ask(), BEHIND);
}

/** A build is ASSETS.REST: other scripts need a reload; for other markup the whole board will do. */
function compareBuild(build) {
  const mine = root.dataset.build;
  if (!build || build === mine) return;
  if (build.split(".")[0] !== mine.split(".")[0]) return setTimeout(reload, Math.random() * 5000); // not all at once
  root.dataset.build = build;
  inTurn(() => catchUp("none"));
}

/** At most once a minute: an old copy in a cache may answer the reload. */
function reload() {
  const [{ type }] = performance.getEntriesByType("navigation");
  if (type !== "reload" || performance.now() > 60_000) location.reload();
}

// --- the rungs: each calls `sign` at every sign of life (data, never a mere `open`) and `fail` once over ---

const hears = {
  change: (change) => inTurn(() => take(change)),
  head: hearHead,
  reset: ask,
  drain: ({ delay }) => setTimeout(() => (drop(), climb()), Math.random() * delay * 1000),
};

function webSocket(sign, fail) {
  const opened = import("socket.io").then(({ io }) => {
    const socket = io({ transports: ["websocket"], reconnection: false, forceNew: true });
    const wish = () => ({ organizationId: organization, tenantId: tenant || null, cursor: here(), view });
    const joined = ({ message, build }) => (message ? fail() : (sign(), compareBuild(build)));
    for (const [name, hear] of Object.entries(hears)) socket.on(name, (data) => (sign(), hear(data)));
    socket.on("connect", () => socket.emit("join-organization", wish(), joined));
    socket.on("error", ask); // perhaps our access has ended: then the answer is 404
    socket.on("connect_error", fail);
    socket.on("disconnect", fail);
    return socket;
  });
  opened.catch(fail);
  return () => opened.then((socket) => socket.disconnect(), () => {});
}

function stream(sign, fail) {
  const source = new EventSource(`${path}/stream?${new URLSearchParams({ cursor: here(), view })}`);
  for (const [name, hear] of Object.entries(hears))
    source.addEventListener(name, ({ data }) => (sign(), hear(JSON.parse(data))));
  source.onerror = fail;
  return () => source.close();
}

/** Answers held until there is news; plain ones where a proxy cuts those. */
function poll(sign, fail) {
  const stop = new AbortController();
  (async () => {
    for (let wait = 0, cuts = 0; !stop.signal.aborted; wait = cuts < 2 ? 25 : 0) {
      try {
        await pollOnce(wait, stop.signal);
        sign();
        if (wait) cuts = 0;
        else if (cuts >= 2) await new Promise((done) => setTimeout(done, PLAIN_POLL));
      } catch (error) {
        if (!wait) throw error;
        cuts += 1;
      }
    }
  })().catch(fail);
  return () => stop.abort();
}

async function pollOnce(wait, stop) {
  const asked = here();
  const change = await request(asked, wait, stop);
  if (change) await inTurn(() => (asked === here() ? show(change) : null));
  if (change && asked === here()) throw new Error("What was answered could not be shown");
}

// --- the ladder: the best rung that lives brings the changes; better ones are tried beside it -------------

const RUNGS = [
  { name: "WebSocket", open: webSocket },
  { name: "server-sent events", open: stream },
  { name: "polling", open: poll },
];

let working = null; // the connection that brings the changes
let trying = null; // the one that may take over
let level = 0; // the rung to try next
let failures = 0; // of that rung, in a row
let round = 0; // tries since a connection lived: the back-off grows with it
let seen = performance.timeOrigin; // the last sign of life
let timer;

class Connection {
  constructor(number) {
    this.level = number;
    this.bornAt = null;
    this.expect(FIRST_SIGN);
    this.shut = RUNGS[number].open(() => this.sign(), () => this.end());
  }
  expect(milliseconds) {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.end({ silent: !this.bornAt }), milliseconds);
  }
  sign() {
    if (this.over) return;
    seen = Date.now();
    this.expect(NEXT_SIGN);
    if (!this.bornAt) takeOver(this);
    this.bornAt ??= seen;
  }
  end({ silent = false } = {}) {
    if (this.over) return;
    this.close();
    ended(this, { silent, young: !this.bornAt || Date.now() - this.bornAt < YOUNG });
  }
  close() {
    this.over = true;
    clearTimeout(this.timer);
    this.shut();
  }
}

function climb() {
  clearTimeout(timer);
  trying?.close();
  trying = document.hidden && level > 0 ? null : new Connection(level); // a hidden page rests until shown
}

/** Full jitter, from one second to thirty; beside a connection that works there is no hurry. */
function climbLater() {
  const [first, most] = working ? [20_000, 600_000] : [1_000, 30_000];
  timer = setTimeout(climb, Math.random() * Math.min(most, first * 2 ** round++));
}

function takeOver(connection) {
  working?.close();
  [working, trying] = [connection, null];
  level = round = 0;
  tell("state", { transport: RUNGS[connection.level].name, seen });
  if (connection.level > 0) climbLater();
}

/** Twice failed, or silent from the start: the next rung, at once. After the last one: the first, later. */
function ended(connection, { silent, young }) {
  if (!working || connection === working) drop();
  failures = young ? failures + 1 : 0;
  const givesUp = silent || working || failures === 2;
  if (givesUp) [level, failures] = [level + 1, 0];
  const lowest = working?.level ?? RUNGS.length;
  if (givesUp && level < lowest) return climb();
  level %= lowest;
  climbLater();
}

function drop() {
  clearTimeout(timer);
  level = working?.level ?? level;
  working?.close();
  trying?.close();
  working = trying = null;
  tell("state", { transport: null, seen });
}

/** Ask at once; and a connection that may have died in the page's sleep is made anew. */
function wake() {
  ask();
  if (working && Date.now() - seen < FRESH) return;
  drop();
  climb();
}

/** Browsers allow six HTTP/1.1 connections to a host: a hidden page keeps none, but may keep its WebSocket. */
function showOrHide() {
  if (!document.hidden) wake();
  else if (working?.level !== 0) drop();
}

document.addEventListener("visibilitychange", showOrHide);
document.addEventListener("resume", wake);
addEventListener("pagehide", drop);
addEventListener("pageshow", ({ persisted }) => persisted && wake());
addEventListener("online", () => (drop(), wake()));
climb();
