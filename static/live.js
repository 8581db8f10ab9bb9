/**
 * Keeps the page current: a ladder of transports, and one way to show what any of them brings.
 * The rules, and the reasons for them, are in docs/protocol.md.
 *
 * Events on the document tell the page: `live:changed` {since, cursor, html, title, say}, a change that is
 * in the DOM now; `live:state` {transport, seen}, what brings changes, or null since the moment `seen`.
 */
import htmx from "htmx";

const FIRST_SIGN = 5_000; // a rung that is silent for so long at its start gives way
const NEXT_SIGN = 40_000; // a `head` comes every 15 to 25 s
const FRESH = 20_000; // a page that wakes trusts a connection with a sign as young as this
const YOUNG = 10_000; // a connection that ends before this age has failed
const BEHIND = 2_000;
const PLAIN_POLL = 12_000;

const root = document.documentElement;
const board = document.getElementById("board");
const { path, view, organization, tenant } = board.dataset;
const here = () => board.dataset.cursor;
const after = (milliseconds) => new Promise((done) => setTimeout(done, milliseconds));
const tell = (what, detail) => document.dispatchEvent(new CustomEvent(`live:${what}`, { detail }));

// --- changes: one at a time, and only what fits the position that the page has --------------------------

let turn = Promise.resolve();
let asking = null;

/** What arrives while a change is shown or asked for waits here. What fails is made good after a `head`. */
function inTurn(step) {
  return (turn = turn.then(step).catch((error) => console.warn("live:", error)));
}

/** Whether this page has yet to reach a position. Of another epoch we cannot know: yes. */
function isAhead(cursor) {
  const [[epoch, number], [mine, reached]] = [cursor.split(":"), here().split(":")];
  return epoch !== mine || Number(number) > Number(reached);
}

/** A push. A whole board (without `since`) fits every position, parts fit those from `since` on. */
function take(change) {
  if (isAhead(change.cursor)) return change.since && isAhead(change.since) ? catchUp() : show(change);
  if (!change.since && change.cursor !== here()) return catchUp(); // are we where a restored log has not been?
}

/** Asks for what came after our position; once, however many want to know. */
function ask() {
  asking ??= inTurn(() => ((asking = null), catchUp()));
}

async function catchUp(cursor = here()) {
  const change = await request(cursor);
  if (change) await show(change);
}

async function request(cursor, wait = 0, stop = new AbortController().signal) {
  const response = await fetch(`${path}/changes?${new URLSearchParams({ cursor, view, wait })}`, {
    cache: "no-store", // through the cache, two tabs would wait for each other's held answer
    signal: AbortSignal.any([stop, AbortSignal.timeout(wait * 1000 + 10_000)]),
  });
  if (response.status === 404) reload(); // what was shown is gone, or no longer for us
  if (!response.ok) throw new Error(`${response.status} ${response.url}`);
  compareBuild(response.headers.get("Build"));
  return response.status === 200 ? response.json() : null;
}

/** Morphs the parts into the page, and only then moves on. htmx drops a part without a place: look first. */
async function show(change) {
  const template = document.createElement("template");
  template.innerHTML = change.html;
  const parts = [...template.content.children];
  if (!parts.every(({ id }) => document.getElementById(id))) return change.since ? catchUp("none") : reload();
  parts.forEach((part) => part.setAttribute("hx-swap-oob", "outerMorph"));
  await htmx.swap({ text: template.innerHTML, swap: "none" });
  board.dataset.cursor = change.cursor;
  tell("changed", change);
}

/** Where we should be by now. Still behind a little later, we have lost a message. */
async function hearHead({ cursor, build }) {
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

// --- rungs: each calls `sign` at signs of life (data, never a mere `open`), `fail` when it is over, and
// --- returns how to close it ------------------------------------------------------------------------------

const hears = {
  change: (change) => inTurn(() => take(change)),
  head: hearHead,
  reset: ask,
  drain: ({ delay }) => (drop(), climbIn(Math.random() * delay * 1000)), // the server ends, and is soon back
};

function webSocket(sign, fail) {
  const opened = import("socket.io").then(({ io }) => {
    const socket = io({ transports: ["websocket"], reconnection: false, forceNew: true });
    const wish = () => ({ organizationId: organization, tenantId: tenant || null, cursor: here(), view });
    for (const [name, hear] of Object.entries(hears)) socket.on(name, (data) => (sign(), hear(data)));
    socket.on("connect", () => socket.emit("join-organization", wish(), ({ message }) => (message ? fail : sign)()));
    socket.on("error", ask); // our access may have ended: the answer will be 404
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
  source.onerror = fail; // we come back ourselves, with the position that we have then
  return () => source.close();
}

function poll(sign, fail) {
  const stop = new AbortController();
  keepPolling(sign, stop.signal).catch(fail);
  return () => stop.abort();
}

/** Answers held until there is news; every few seconds a plain one, where a proxy cuts those. */
async function keepPolling(sign, stop) {
  for (let wait = 0, cuts = 0; !stop.aborted; wait = cuts < 2 ? 25 : 0) {
    try {
      await pollOnce(wait, stop);
      sign();
      if (wait) cuts = 0;
      else if (cuts >= 2) await after(PLAIN_POLL);
    } catch (error) {
      if (!wait) throw error;
      cuts += 1;
    }
  }
}

async function pollOnce(wait, stop) {
  const asked = here();
  const change = await request(asked, wait, stop);
  if (change) await inTurn(() => asked === here() && show(change)); // else it was overtaken
  if (change && asked === here()) throw new Error("The answer could not be shown");
}

// --- the ladder: the best rung that lives brings the changes; better ones are tried beside it --------------

const RUNGS = [
  { name: "WebSocket", open: webSocket },
  { name: "server-sent events", open: stream },
  { name: "polling", open: poll },
];

let working = null; // the connection that brings the changes
let trying = null; // the one that may take over
let level = 0; // the rung to try next
let failures = 0; // of that rung, in a row
let tries = 0; // since a connection lived: the back-off grows with it
let seen = performance.timeOrigin; // the last sign of life
let timer;

/** One try at a rung, until it fails or falls silent. */
function connect(level) {
  let bornAt, patience, over;
  const connection = { level, close };
  const shut = RUNGS[level].open(sign, () => end());
  listen(FIRST_SIGN);
  return connection;

  function listen(milliseconds) {
    clearTimeout(patience);
    patience = setTimeout(end, milliseconds, { silent: !bornAt });
  }
  function sign() {
    if (over) return;
    seen = Date.now();
    listen(NEXT_SIGN);
    if (!bornAt) takeOver(connection);
    bornAt ??= seen;
  }
  function end({ silent = false } = {}) {
    if (over) return;
    close();
    comeDown(connection, { silent, young: !bornAt || Date.now() - bornAt < YOUNG });
  }
  function close() {
    over = true;
    clearTimeout(patience);
    shut();
  }
}

function climb() {
  clearTimeout(timer);
  trying?.close();
  trying = document.hidden && level > 0 ? null : connect(level); // a hidden page rests until it is shown
}

function climbIn(milliseconds) {
  timer = setTimeout(climb, milliseconds);
}

/** Full jitter, up to half a minute. Beside a connection that works there is no hurry. */
function climbLater() {
  const [first, most] = working ? [20_000, 600_000] : [1_000, 30_000];
  climbIn(Math.random() * Math.min(most, first * 2 ** tries++));
}

function takeOver(connection) {
  working?.close();
  [working, trying, level, tries] = [connection, null, 0, 0];
  tell("state", { transport: RUNGS[connection.level].name, seen });
  if (connection.level > 0) climbLater();
}

/** Twice failed, or silent from its start: the next rung at once. After the last one the first, later. */
function comeDown(connection, { silent, young }) {
  if (!working || working === connection) drop();
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

/** Asks at once; a connection that may have died in the page's sleep is made anew. */
function wake() {
  ask();
  if (working && Date.now() - seen < FRESH) return;
  drop();
  climb();
}

/** Browsers allow six HTTP/1.1 connections to a host: a hidden page holds none, but for its WebSocket. */
function showOrHide() {
  if (!document.hidden) wake();
  else if (working?.level !== 0) drop();
}

document.addEventListener("visibilitychange", showOrHide);
document.addEventListener("resume", wake);
addEventListener("pageshow", ({ persisted }) => persisted && wake());
addEventListener("pagehide", drop); // what has no connections may wait in the back/forward cache
addEventListener("online", () => (drop(), wake()));
climb();
