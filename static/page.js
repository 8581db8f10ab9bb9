/**
 * What the browser adds to a live page that is complete without it: folds that are remembered, a menu that
 * closes, and, with every change, the mark, the highlight, the title, the icon and the spoken sentence.
 */
import htmx from "htmx";
import { clock, write, writeTimes } from "times";
import "live";

htmx.config.history = false; // the pages are documents: back and forward are the browser's

const $ = (id) => document.getElementById(id);
const calm = "operational";
const menus = "details.menu"; // a fold that is remembered by nobody

// --- folds: what the visitor opened or closed stays so, on this page, in this browser -------------------

const shelf = `folds:${location.pathname}`;
const folds = recall();

function recall() {
  try {
    return JSON.parse(localStorage.getItem(shelf)) ?? {};
  } catch {
    return {}; // the browser keeps nothing for us
  }
}

/** A click, or a key: browsers make a click of it. The fold itself follows after this event. */
function remember({ target }) {
  const fold = target.closest?.("summary")?.parentElement;
  if (!fold?.id || fold.matches(menus)) return;
  folds[fold.id] = !fold.open;
  const present = Object.entries(folds).filter(([id]) => $(id));
  try {
    localStorage.setItem(shelf, JSON.stringify(Object.fromEntries(present)));
  } catch {}
}

/** On a fresh page. What is in trouble is not folded away. */
function restoreFolds() {
  for (const fold of document.querySelectorAll(`details[id]:not(${menus})`)) {
    const inTrouble = fold.dataset.status && fold.dataset.status !== calm;
    if (fold.id in folds) fold.open = folds[fold.id] || Boolean(inTrouble);
  }
}

/** A morph brings the server's idea of `open`; the visitor's goes first. */
function keepFold(fold, { newNode }) {
  if (fold.localName === "details" && (fold.id in folds || fold.matches(menus))) newNode.open = fold.open;
}

htmx.registerExtension("folds", { htmx_before_morph_node: keepFold });

// --- menus: they close on Esc, and when the visitor turns to something else ------------------------------

function closeMenus({ target, key }) {
  if (key && key !== "Escape") return;
  for (const menu of document.querySelectorAll(`${menus}[open]`)) {
    if (!key && menu.contains(target)) continue;
    if (key && menu.contains(document.activeElement)) menu.querySelector("summary").focus();
    menu.open = false;
  }
}

// --- a change: what differs is shown for two seconds, and said once -------------------------------------

const rows = "#board > * :is(li, article)[id]";
const fading = new WeakMap();
let contents = new Map();

/** A row's own markup: without the rows in it, and without what this script writes. */
function ownContent(row) {
  const copy = row.cloneNode(true);
  copy.querySelectorAll("[id]").forEach((inner) => inner.removeAttribute("open"));
  copy.querySelectorAll("li[id], article[id]").forEach((inner) => inner.remove());
  copy.querySelectorAll("time").forEach((time) => time.replaceWith(time.dateTime));
  return copy.innerHTML;
}

function changedRows() {
  const before = contents;
  contents = new Map([...document.querySelectorAll(rows)].map((row) => [row.id, ownContent(row)]));
  return [...contents.keys()].filter((id) => before.get(id) !== contents.get(id)).map($);
}

/** After the swap: a morph drops a class that the server did not send. The style sheet fades it out. */
function highlight(row) {
  clearTimeout(fading.get(row));
  row.classList.add("changed");
  fading.set(row, setTimeout(() => row.classList.remove("changed"), 2000));
}

function unfoldTrouble(row) {
  if (row.dataset.status && row.dataset.status !== calm) row.closest("details")?.setAttribute("open", "");
}

function showChange({ detail: { title, say } }) {
  writeTimes();
  const changed = changedRows();
  changed.forEach(highlight);
  changed.forEach(unfoldTrouble);
  document.title = title;
  showIcon();
  $("spoken").textContent = say; // set, not morphed: the same sentence is said again
}

// --- the icon and the mark -----------------------------------------------------------------------------

const icons = {
  operational: ["#1a7f37", "M8 1a7 7 0 1 1 0 14A7 7 0 1 1 8 1z"],
  degraded: ["#9a6700", "M1 8h14A7 7 0 1 1 1 8z"],
  partial_outage: ["#bc4c00", "M8 1l7.5 14H.5z"],
  major_outage: ["#cf222e", "M5 1h6l4 4v6l-4 4H5l-4-4V5z"],
  maintenance: ["#0969da", "M2 2h12v12H2z"],
};

/** As in the banner, colour and shape. */
function showIcon() {
  const [colour, shape] = icons[$("banner")?.dataset.status] ?? [];
  if (!shape) return;
  const svg = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 16 16"><path fill="${colour}" d="${shape}"/></svg>`;
  document.querySelector("link[rel=icon]").href = `data:image/svg+xml,${encodeURIComponent(svg)}`;
}

const patience = 15_000; // so long we say that we are reconnecting; then, how old the page is
let live = null;

/** The truth: no rung may say Live while the browser knows that there is no network. */
function showMark() {
  if (!live) return;
  const isLive = live.transport && navigator.onLine;
  const isOffline = !navigator.onLine || (!isLive && Date.now() - live.since > patience);
  const mark = $("mark");
  mark.hidden = false;
  mark.dataset.state = isLive ? "live" : isOffline ? "offline" : "reconnecting";
  mark.title = isLive ? `Connected by ${live.transport}` : "Not connected; the page catches up by itself";
  write(mark, isLive ? "Live" : isOffline ? `Offline: showing ${clock.format(live.seen)}` : "Reconnecting…");
}

/** Losing it again while it is lost starts no new patience. */
function takeState({ detail }) {
  const goesOn = live && !live.transport && !detail.transport;
  live = { ...detail, since: goesOn ? live.since : Date.now() };
  if (live.transport) $("aged")?.remove(); // what was missing is here, or on its way
  showMark();
}

// --- a page for when the network is gone ---------------------------------------------------------------

function keepOfflinePage() {
  navigator.serviceWorker?.register("/sw.js").catch(() => {}); // some windows keep nothing for us
}

// --- start ---------------------------------------------------------------------------------------------

restoreFolds();
changedRows();
showIcon();
document.addEventListener("click", remember);
for (const event of ["click", "keydown", "focusin"]) document.addEventListener(event, closeMenus);
document.addEventListener("live:changed", showChange);
document.addEventListener("live:state", takeState);
for (const event of ["online", "offline", "pageshow"]) addEventListener(event, showMark);
addEventListener("load", keepOfflinePage);
setInterval(() => (writeTimes(), showMark()), 5000);
