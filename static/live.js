/**
 * The ladder that keeps the page current: the best rung that lives brings the changes, better ones are tried
 * beside it. `live:state` {transport, seen} on the document tells the page what brings them, or null since
 * the moment `seen`.
 */
import { ask, hearHead, inTurn, take, tell } from "changes";
import { RUNGS } from "rungs";

const FIRST_SIGN = 5_000; // a rung that is silent for so long at its start gives way
const NEXT_SIGN = 40_000; // a `head` comes every 15 to 25 s
const FRESH = 20_000; // a page that wakes trusts a connection with a sign as young as this
const YOUNG = 10_000; // a connection that ends before this age has failed

const hears = {
  change: (change) => inTurn(() => take(change)),
  head: hearHead,
  reset: ask,
  drain: ({ delay }) => (drop(), climbIn(Math.random() * delay * 1000)), // the server ends, and is soon back
};

let working = null; // the connection that brings the changes
let trying = null; // the one that may take over
let level = 0; // the rung to try next
let lived = false; // whether anything was ever heard: who connects after that comes back
let failures = 0; // of that rung, in a row
let tries = 0; // since a connection lived: the back-off grows with it
const aged = document.querySelector("#aged time"); // of a snapshot, which says when it was made
let seen = aged ? Date.parse(aged.dateTime) : performance.timeOrigin; // the last sign of life
let timer;

/** One try at a rung, until it fails or falls silent. */
function connect(level) {
  let bornAt, patience, over;
  const connection = { level, close };
  const shut = RUNGS[level].open(hears, sign, () => end(), lived && !working);
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
  [working, trying, level, tries, lived] = [connection, null, 0, 0, true];
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
