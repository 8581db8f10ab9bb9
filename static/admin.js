/**
 * What the browser adds to the admin: keys, and words for what went wrong with a click. All of it works
 * without: the forms are forms, the buttons submit them.
 */
import "page";

const toast = document.getElementById("toast");
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

function pressKey(event) {
  const typing = event.target.closest?.("input, textarea, select, [contenteditable]");
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

for (const button of document.querySelectorAll("[data-copy]")) button.hidden = !navigator.clipboard;
document.addEventListener("click", copy);
document.addEventListener("htmx:after:request", takeAnswer);
document.addEventListener("htmx:error", () => say("The server did not answer. Nothing was changed; please try again."));
document.addEventListener("keydown", pressKey);
