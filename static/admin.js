/**
 * What the browser adds to the admin: keys, dragging, and words for what went wrong with a click. All of it
 * works without: the forms are forms, the buttons submit them.
 */
import "page";

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
  if (status === 401) return location.reload(); // the session has ended: the page leads to the sign-in
  say(wordsOf(ctx.text ?? "") || "That did not work. Please try again.");
}

/** An answer without the form that was sent is an error page: what was typed stays, the toast says what it says. */
function keepTyped(event) {
  const { ctx } = event.detail;
  const { sourceElement: sent, select, text = "" } = ctx;
  if (!sent || sent.id === "act" || sent.localName !== "form" || select !== `#${sent.id}` || text.includes(` id="${sent.id}"`)) return;
  event.preventDefault();
  say(wordsOf(text) || "That did not work. Nothing was changed; please try again.");
}

// --- keys -----------------------------------------------------------------------------------------------

function pressKey(event) {
  const typing = event.target.closest?.("input:not([type=radio]), textarea, select, [contenteditable]");
  if (typing || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === "n") document.querySelector("[aria-keyshortcuts=n]")?.click();
}

/** A secret is shown once: one press takes it along. Without this it is text to select. */
async function copy({ target }) {
  const button = target.closest?.("[data-copy]");
  if (!button) return;
  const field = document.getElementById(button.dataset.copy);
  field.select();
  await navigator.clipboard.writeText(field.value);
  button.textContent = "Copied";
}

let held = ""; // the id of the button that has the focus: a row that moves loses it

function noteFocus({ target }) {
  held = target.closest?.("#board button[id]") ? target.id : "";
}

function giveFocusBack() {
  if (held && document.activeElement === document.body) $(held)?.focus();
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

// --- dragging: a service stands before the one that it is dropped on --------------------------------------

let dragged = null;

function listUnder({ target }) {
  const list = target.closest?.(".heading")?.querySelector("[data-drop]");
  return list && dragged && list.closest(".place") === dragged.closest(".place") ? list : null;
}

function rowBelow(list, y) {
  const rows = [...list.children].filter((row) => row !== dragged);
  return rows.find((row) => y < row.getBoundingClientRect().top + row.offsetHeight / 2);
}

function clearMarks() {
  document.querySelectorAll(".before, .last").forEach((row) => row.classList.remove("before", "last"));
}

function startDrag(event) {
  dragged = event.target.closest?.("[data-service]");
  if (!dragged) return;
  event.dataTransfer.effectAllowed = "move";
  event.dataTransfer.setData("text/plain", dragged.dataset.service);
  dragged.classList.add("dragged");
}

function dragOver(event) {
  const list = listUnder(event);
  if (!list) return;
  event.preventDefault(); // it may be dropped here
  clearMarks();
  const below = rowBelow(list, event.clientY);
  (below ?? list).classList.add(below ? "before" : "last");
}

function drop(event) {
  const list = listUnder(event);
  if (!list) return;
  event.preventDefault();
  const below = rowBelow(list, event.clientY)?.dataset.service ?? "";
  act(`${document.querySelector(".desk").dataset.base}/services/${dragged.dataset.service}/place`, "to", `${list.dataset.drop}/${below}`);
}

function endDrag() {
  dragged?.classList.remove("dragged");
  dragged = null;
  clearMarks();
}

/** As if a button of the board had been pressed. */
function act(path, name, value) {
  const button = Object.assign(document.createElement("button"), { name, value, formAction: path, hidden: true });
  $("act").append(button);
  $("act").requestSubmit(button);
  button.remove();
}

/** Only where there is a script that can do it, and a role that may. */
function letDrag() {
  if (document.querySelector(".desk")?.dataset.role === "viewer") return;
  for (const row of document.querySelectorAll("[data-service]")) row.draggable = true;
}

// --- start ----------------------------------------------------------------------------------------------

for (const button of document.querySelectorAll("[data-copy]")) button.hidden = !navigator.clipboard;
document.addEventListener("click", copy);
document.addEventListener("htmx:after:request", takeAnswer);
document.addEventListener("htmx:before:swap", keepTyped);
document.addEventListener("htmx:after:swap", offer);
document.addEventListener("htmx:error", () => say("The server did not answer. Nothing was changed; please try again."));
document.addEventListener("keydown", pressKey);
document.addEventListener("focusin", noteFocus);
document.addEventListener("change", ({ target }) => target.id === "tenant" && offer());
document.addEventListener("live:changed", () => (letDrag(), giveFocusBack()));
for (const [event, hear] of Object.entries({ dragstart: startDrag, dragover: dragOver, drop, dragend: endDrag })) {
  document.addEventListener(event, hear);
}
letDrag();
offer();
