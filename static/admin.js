/**
 * What the browser adds to the admin: a key, the focus, and words for what went wrong with a click. All of it
 * works without: the forms are forms, the buttons submit them.
 */
import "dragging";
import "page";
import { writeTimes } from "times";

const $ = (id) => document.getElementById(id);
const toast = $("toast");
let fading;

/** Says what went wrong, for as long as it takes to read it. */
function say(words) {
  clearTimeout(fading);
  toast.textContent = words;
  toast.hidden = false;
  fading = setTimeout(() => (toast.hidden = true), 8_000);
}

/** The words of an error page. */
function wordsOf(html) {
  const page = new DOMParser().parseFromString(html, "text/html");
  return [...page.querySelectorAll("main h1, main p:not(.code)")].slice(0, 2).map((line) => line.textContent.trim()).join(" ");
}

function takeAnswer({ detail: { ctx } }) {
  const { status } = ctx.response ?? {};
  if (ctx.sourceElement.id !== "act" || !status || status < 400) return;
  if (ctx.response.headers.get("HX-Retarget")) return; // it is shown in place of the screen
  say(wordsOf(ctx.text ?? "") || "That did not work. Please try again.");
}

/** Nobody pressed anything: it asks every few seconds. */
const asksAgain = (element) => element.matches?.("[hx-trigger^=every]");

/**
 * An answer without the element that asked for itself is an error page. What was there stays: what was typed,
 * with a toast that says what the page says; numbers, which ask again.
 */
function keepAsker(event) {
  const { sourceElement: sent, select, text = "" } = event.detail.ctx;
  if (!sent?.id || sent.id === "act" || select !== `#${sent.id}` || text.includes(` id="${sent.id}"`)) return;
  event.preventDefault();
  if (!asksAgain(sent)) say(wordsOf(text) || "That did not work. Nothing was changed; please try again.");
}

/** A form came again, or a preview: its button stays within reach, so it may be far away. */
function takeSwap({ detail: { ctx } }) {
  offer();
  writeTimes();
  giveFocusBack();
  if (ctx.target?.id === "preview") ctx.target.scrollIntoView({ block: "nearest" });
}

// --- keys -----------------------------------------------------------------------------------------------

function pressKey(event) {
  const typing = event.target.closest?.("input:not([type=radio], [type=checkbox]), textarea, select, [contenteditable]");
  if (typing || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === "n") document.querySelector("[aria-keyshortcuts=n]")?.click();
}

/** WCAG 2.2, 2.1.4: a key that acts alone can be switched off. The browser may keep nothing for us. */
const keys = $("keys");

function recallKeys() {
  try {
    return localStorage.getItem("keys") !== "off";
  } catch {
    return true;
  }
}

function useKeys(on) {
  keys.checked = on;
  document.documentElement.dataset.keys = on ? "on" : "off";
  for (const link of document.querySelectorAll("[data-key]")) {
    on ? link.setAttribute("aria-keyshortcuts", link.dataset.key) : link.removeAttribute("aria-keyshortcuts");
  }
}

function chooseKeys({ target }) {
  if (target !== keys) return;
  useKeys(keys.checked);
  try {
    localStorage.setItem("keys", keys.checked ? "on" : "off");
  } catch {}
}

/** A secret is shown once: one press takes it along. Without this it is text to select. */
async function copy({ target }) {
  const button = target.closest?.("[data-copy]");
  if (!button) return;
  const field = document.getElementById(button.dataset.copy);
  field.select();
  const copied = await navigator.clipboard?.writeText(field.value).then(() => true, () => false);
  button.textContent = copied ? "Copied" : "Press Ctrl+C"; // it is selected
}

// --- the focus: what had it may move or go, the place where the operator was stays -------------------------

let held = []; // ids, from the focused control outwards

function noteFocus({ target }) {
  held = [];
  for (let place = target; place && place.id !== "board"; place = place.parentElement) if (place.id) held.push(place.id);
}

/** To the same control; else to the first one of its row, or of what its row stood in. */
function giveFocusBack() {
  if (!held.length || document.activeElement !== document.body) return;
  const place = $(held.find($));
  if (!place) return;
  const control = place.matches("button, a, input") ? place : place.querySelector("[autofocus], .trouble, button, a, input:not([type=hidden])");
  if (control?.matches(".trouble")) control.tabIndex = -1;
  control?.focus({ preventScroll: place !== control });
}

// --- a form offers what is on the chosen page ------------------------------------------------------------

function offer() {
  const choice = $("tenant");
  if (choice?.localName !== "select") return;
  for (const group of document.querySelectorAll("form [data-page]")) {
    group.disabled = group.hidden = group.dataset.page !== choice.value;
    if (group.disabled) group.querySelectorAll("option:checked").forEach((option) => (option.selected = false));
  }
}

// --- where one is, in a line that a phone shows a part of ----------------------------------------------------

function showWhere() {
  const link = document.querySelector(".rail [aria-current]");
  const line = link?.closest("ul");
  if (line) line.scrollLeft = link.offsetLeft - line.offsetLeft - line.clientWidth / 2 + link.offsetWidth / 2;
}

// --- a form that leads to another page is sent once: the second answer would hide the first ----------------

function sendOnce(event) {
  const form = event.target;
  if (form.hasAttribute("hx-boost") || event.defaultPrevented) return;
  if (form.dataset.sent) event.preventDefault();
  form.dataset.sent = "1";
  setTimeout(() => delete form.dataset.sent, 5_000); // it may be stopped, and sent again
}

// --- start ----------------------------------------------------------------------------------------------

for (const button of document.querySelectorAll("[data-copy]")) button.hidden = !navigator.clipboard;
document.addEventListener("click", copy);
document.addEventListener("htmx:after:request", takeAnswer);
document.addEventListener("htmx:before:swap", keepAsker);
document.addEventListener("htmx:after:swap", takeSwap);
document.addEventListener("htmx:error", ({ target }) => asksAgain(target) || say("The server did not answer. Nothing was changed; please try again."));
document.addEventListener("keydown", pressKey);
document.addEventListener("pointerdown", () => (held = [])); // whoever presses elsewhere has left it
document.addEventListener("focusin", noteFocus);
document.addEventListener("change", ({ target }) => target.id === "tenant" && offer());
document.addEventListener("change", chooseKeys);
document.addEventListener("submit", sendOnce);
document.addEventListener("live:changed", giveFocusBack);
keys.closest("label").hidden = false;
useKeys(recallKeys());
showWhere();
offer();
