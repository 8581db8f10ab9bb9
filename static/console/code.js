/** The code of what was clicked, in the language that is chosen, as the form has it at this moment. */
import { TRANSPORTS } from "console/connection";
import * as curl from "console/curl";
import * as form from "console/form";
import { address } from "console/http";
import * as javascript from "console/javascript";
import * as python from "console/python";

const LANGUAGES = { javascript, python, curl };
const COPIED = 2_000; // milliseconds that the button says so

const $ = (id) => document.getElementById(id);
const tabs = [...document.querySelectorAll("[role=tab]")];
let language = "javascript";
let copying;

/** Everything that the programs are written from. `token`: the text itself, true for its place, or nothing. */
function asked() {
  const [action, transport, wish] = [$("action").value, form.transport(), form.wish()];
  const { cursor, ...place } = { organizationId: "ORGANIZATION", ...wish };
  const known = form.token() || action === "broadcast";
  return {
    action,
    transport,
    cursor,
    speaks: Boolean(TRANSPORTS[transport].speaks),
    origin: location.origin,
    token: known && ($("own-token").checked && form.token() ? form.token() : true),
    requests: requests(action, wish),
    streamPath: address("stream", { ...place, cursor }),
    changesPath: address("changes", place, { wait: 25 }),
    statusPath: `/api/status?${new URLSearchParams({ organizationId: "ORGANIZATION", ...form.place() })}`,
    body: action === "broadcast" && form.broadcast(),
  };
}

/** The events that a program sends once it is connected. One who leaves must have joined. */
function requests(action, wish) {
  const join = { name: "join-organization", payload: wish };
  if (action === "authenticate") return [{ name: "authenticate", payload: form.claim() }];
  if (action === "leave") return [join, { name: "leave-organization", payload: form.place() }];
  if (action === "ping") return [{ name: "ping", payload: {} }];
  return action === "join" || wish.organizationId ? [join] : [];
}

export function showCode() {
  const { program, needs } = LANGUAGES[language];
  try {
    const wanted = asked();
    $("source").textContent = program(wanted);
    $("needs").textContent = [needs(wanted), wanted.token === true && "Put your token into TOKEN"].filter(Boolean).join(" · ");
  } catch (error) {
    $("source").textContent = `# ${error.message}`;
    $("needs").textContent = "";
  }
}

/** The code of an action that was just clicked. */
export function showCodeOf(action) {
  $("action").value = action;
  showCode();
}

function choose(tab) {
  language = tab.dataset.language;
  for (const other of tabs) {
    other.setAttribute("aria-selected", String(other === tab));
    other.tabIndex = other === tab ? 0 : -1;
  }
  $("program").setAttribute("aria-labelledby", tab.id);
  showCode();
}

/** Arrows, Home and End, as in every list of tabs (WAI-ARIA Authoring Practices). */
function step(event) {
  const here = tabs.indexOf(event.target);
  const to = { ArrowRight: here + 1, ArrowLeft: here - 1, Home: 0, End: -1 }[event.key];
  if (to === undefined) return;
  event.preventDefault();
  const tab = tabs.at(to % tabs.length);
  choose(tab);
  tab.focus();
}

async function copy() {
  let words = "Copied";
  try {
    await navigator.clipboard.writeText($("source").textContent);
  } catch {
    getSelection().selectAllChildren($("source")); // the browser refuses: two keys are left to press
    words = "Press Ctrl+C";
  }
  $("copy").textContent = words;
  $("copied").textContent = words;
  clearTimeout(copying);
  copying = setTimeout(() => (($("copy").textContent = "Copy"), ($("copied").textContent = "")), COPIED);
}

for (const tab of tabs) {
  tab.addEventListener("click", () => choose(tab));
  tab.addEventListener("keydown", step);
}
$("copy").addEventListener("click", copy);
for (const id of ["action", "own-token"]) $(id).addEventListener("change", showCode);
