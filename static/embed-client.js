/**
 * The embed's own client, in one small file: server-sent events bring the changes, else held polls. The rules of
 * positions are those of docs/protocol.md. It rests while nobody can see it, and tells the page around how tall it is.
 */
const FIRST_SIGN = 5_000; // what is silent for so long at its start gives way
const NEXT_SIGN = 40_000; // a `head` comes every 15 to 25 s
const YOUNG = 10_000; // a connection that ends before this age has failed
const BEHIND = 2_000; // who is behind a `head` for so long has lost a message
const PLAIN_POLL = 12_000;

const root = document.documentElement;
const board = document.getElementById("board");
const spoken = document.getElementById("spoken");
const { path, view } = board.dataset;

const here = () => board.dataset.cursor;
const after = (milliseconds) => new Promise((done) => setTimeout(done, milliseconds));

// --- what changed: one change at a time, and only what fits the position that is shown -------------------

let turn = Promise.resolve();
let asking = null;

function inTurn(step) {
  return (turn = turn.then(step).catch((error) => console.warn("embed:", error)));
}

/** Of another epoch we cannot know: yes. */
function isAhead(cursor) {
  const [[epoch, number], [mine, reached]] = [cursor.split(":"), here().split(":")];
  return epoch !== mine || Number(number) > Number(reached);
}

function take(change) {
  if (isAhead(change.cursor)) return change.since && isAhead(change.since) ? catchUp() : show(change);
  if (!change.since && change.cursor !== here()) return catchUp();
}

function ask() {
  asking ??= inTurn(() => ((asking = null), catchUp()));
}

async function catchUp(cursor = here()) {
  const change = await request(cursor);
  if (change) await show(change);
}

async function request(cursor, wait = 0, stop = new AbortController().signal) {
  const response = await fetch(`${path}/changes?${new URLSearchParams({ cursor, view, wait })}`, {
    cache: "no-store",
    signal: AbortSignal.any([stop, AbortSignal.timeout(wait * 1000 + 10_000)]),
  });
  if (response.status === 404) lose();
  if (!response.ok) throw new Error(`${response.status} ${response.url}`);
  compareBuild(response.headers.get("Build"));
  return response.status === 200 ? response.json() : null;
}

function show(change) {
  const template = document.createElement("template");
  template.innerHTML = change.html;
  const parts = [...template.content.children];
  if (!parts.every(({ id }) => document.getElementById(id))) return change.since ? catchUp("none") : reload();
  const focused = document.activeElement?.id;
  for (const part of parts) document.getElementById(part.id).replaceWith(part);
  if (focused) document.getElementById(focused)?.focus({ preventScroll: true });
  board.dataset.cursor = change.cursor;
  document.title = change.title;
  spoken.textContent = change.say;
  writeTimes();
  tellHeight();
}

async function hearHead({ cursor, build }) {
  compareBuild(build);
  if (isAhead(cursor)) await after(BEHIND);
  if (isAhead(cursor)) ask();
}

/** A build is ASSETS.REST. Other scripts need a reload, not of all frames at once; else the whole board will do. */
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

/** Gone, or no longer for us. A reload would end on an error page, which nobody may frame. */
function lose() {
  lost = true;
  rest();
  const words = document.createElement("p");
  words.className = "lost";
  words.textContent = "This status is not available any more.";
  board.replaceChildren(words);
  tellHeight();
}

// --- what brings it ----------------------------------------------------------------------------------------

function stream(sign, fail, again) {
  const source = new EventSource(`${path}/stream?${new URLSearchParams({ cursor: here(), view, ...(again && { again: 1 }) })}`);
  const hears = {
    change: (change) => inTurn(() => take(change)),
    head: hearHead,
    drain: ({ delay }) => (drop(), climbIn(Math.random() * delay * 1000)), // the server ends, and is soon back
  };
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
      const asked = here();
      const change = await request(asked, wait, stop);
      if (change) await inTurn(() => asked === here() && show(change)); // else it was overtaken
      if (change && asked === here()) throw new Error("The answer could not be shown");
      sign();
      if (wait) cuts = 0;
      else if (cuts >= 2) await after(PLAIN_POLL);
    } catch (error) {
      if (!wait) throw error;
      cuts += 1;
    }
  }
}

let working = null; // the connection that brings the changes
let trying = null; // the one that may take over
let lived = false; // whether anything was ever heard: who connects after that comes back
let failures = 0; // of the stream, in a row
let tries = 0; // since a connection lived: the back-off grows with it
let timer;

/** One try, until it fails or falls silent. */
function connect(rung) {
  let bornAt, patience, over;
  const connection = { rung, close };
  const shut = rung(sign, () => end(), lived && !working);
  listen(FIRST_SIGN);
  return connection;

  function listen(milliseconds) {
    clearTimeout(patience);
    patience = setTimeout(end, milliseconds, !bornAt);
  }
  function sign() {
    if (over) return;
    listen(NEXT_SIGN);
    if (!bornAt) takeOver(connection);
    bornAt ??= Date.now();
  }
  function end(silent = false) {
    if (over) return;
    close();
    comeDown(connection, silent, !bornAt || Date.now() - bornAt < YOUNG);
  }
  function close() {
    over = true;
    clearTimeout(patience);
    shut();
  }
}

function climb(rung = stream) {
  clearTimeout(timer);
  trying?.close();
  trying = connect(rung);
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
  [working, trying, tries, lived] = [connection, null, 0, true];
  document.getElementById("aged")?.remove(); // no snapshot any more
  if (connection.rung === poll) climbLater();
}

/** A stream that failed twice, or was silent from its start, gives way to polling at once. */
function comeDown({ rung }, silent, young) {
  const beside = working && working.rung !== rung;
  if (beside) trying = null;
  else drop();
  failures = rung === stream && young ? failures + 1 : 0;
  if (beside || rung === poll || !(silent || failures >= 2)) return climbLater();
  failures = 0;
  climb(poll);
}

function drop() {
  clearTimeout(timer);
  working?.close();
  trying?.close();
  working = trying = null;
}

// --- when it is worth it -----------------------------------------------------------------------------------

let inSight = false;
let awake = false;
let rested = false;
let lost = false;

/** Hidden, or scrolled out of sight, it holds no connection; shown again it asks at once. */
function wakeOrRest() {
  if (document.hidden || !inSight) return rest();
  if (lost) return lookAgain();
  if (awake) return;
  awake = true;
  if (rested) ask();
  writeTimes();
  climb();
}

/** Whoever comes back to a lost status may find it again. */
async function lookAgain() {
  const response = await fetch(location, { cache: "no-store" }).catch(() => null);
  if (response?.ok) location.reload();
}

function rest() {
  if (awake) rested = true;
  awake = false;
  drop();
}

new IntersectionObserver((entries) => {
  inSight = entries.at(-1).isIntersecting;
  wakeOrRest();
}).observe(board);
document.addEventListener("visibilitychange", wakeOrRest);
addEventListener("pagehide", rest);
addEventListener("pageshow", ({ persisted }) => persisted && wakeOrRest());
addEventListener("online", () => (rest(), wakeOrRest()));

// --- the visitor's clock -------------------------------------------------------------------------------------

const distance = new Intl.RelativeTimeFormat("en", { numeric: "auto" });
const units = [["day", 86_400], ["hour", 3_600], ["minute", 60]];

function writeTimes() {
  for (const time of board.querySelectorAll("time")) {
    const moment = new Date(time.dateTime);
    const seconds = (moment - Date.now()) / 1000;
    const unit = units.find(([, size]) => Math.abs(seconds) >= size);
    time.textContent = unit ? distance.format(Math.trunc(seconds / unit[1]), unit[0]) : "just now";
    time.title = moment.toLocaleString();
  }
}

setInterval(() => awake && writeTimes(), 30_000);

// --- the page around -----------------------------------------------------------------------------------------

/** Who frames us, as far as we are told; only sites that may frame us hear anything. */
function audience() {
  const known = location.ancestorOrigins?.[0] ?? (document.referrer && new URL(document.referrer).origin);
  const allowed = [location.origin, ...board.dataset.origins.split(" ")];
  return [known, claimed].find((origin) => origin && (allowed.includes("*") || allowed.includes(origin)));
}

const claimed = new URLSearchParams(location.search).get("origin"); // by who means to listen
const listener = parent === window ? null : audience();
if (listener && claimed) root.dataset.fits = "";
let told;

function tellHeight() {
  const height = Math.ceil(root.getBoundingClientRect().height);
  if (!listener || height === told || listener === "null") return;
  told = height;
  parent.postMessage({ type: "statuspage:height", height }, listener);
}

writeTimes();
tellHeight();
new ResizeObserver(tellHeight).observe(root);
