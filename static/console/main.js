/** The console: buttons become requests, what comes back becomes lines of the list. */
import { showCode, showCodeOf } from "console/code";
import { connect, disconnect, isConnected, onState, send, TRANSPORTS } from "console/connection";
import * as form from "console/form";
import { post } from "console/http";
import { add, answered } from "console/log";
import * as position from "console/position";
import { bytesOf } from "console/row";

const MASK = "••••••";
const MARKS = { idle: "", connecting: "reconnecting", connected: "live", lost: "offline" };

const $ = (id) => document.getElementById(id);

let speaks = true; // whether the connection takes requests
let entered = null; // what was joined last: {action, payload}, to come back to

// --- connecting ------------------------------------------------------------------------------------

/** By the chosen transport. Over plain HTTP, connecting is joining; over Socket.IO, `then` may join. */
function open(wish, then = () => {}) {
  const transport = form.transport();
  speaks = Boolean(TRANSPORTS[transport].speaks);
  if (!speaks && !form.hasOrganization()) return;
  const asked = { wish: { ...wish, view: form.view() }, token: form.token() };
  note("connect", `by ${TRANSPORTS[transport].name}${wish.cursor && !speaks ? ` from ${wish.cursor}` : ""}`);
  if (!speaks) enter("connect", wish);
  connect(transport, asked, { connected: then, event: hear, reached: arrive });
}

function enter(action, payload) {
  entered = { action, payload };
  position.begin(payload.organizationId, payload.cursor);
  showPosition();
}

/** From the last cursor on, into the same place. */
function comeBack() {
  const { action, payload } = entered;
  const wish = { ...payload, cursor: position.lastCursor(payload.organizationId) };
  open(wish, () => speaks && request(action === "connect" ? "join" : action, wish));
}

function showState(state, words) {
  const isOpen = state === "connecting" || state === "connected";
  $("state").dataset.state = MARKS[state];
  $("state").textContent = {
    idle: "Not connected",
    connecting: `Connecting by ${words}…`,
    connected: `Connected by ${words}`,
    lost: `Lost: ${words}`,
  }[state];
  $("disconnect").disabled = !isOpen;
  for (const button of $("requests").children) button.disabled = !(state === "connected" && speaks);
  $("connect").classList.toggle("primary", !isOpen); // the next step is the one that stands out
  $("requests").firstElementChild.classList.toggle("primary", isOpen && speaks);
  if (state === "lost") add({ way: "gap", kind: "lost", name: "lost", words });
  if (state === "idle") note("disconnect", "by you");
}

// --- requests --------------------------------------------------------------------------------------

const REQUESTS = {
  authenticate: { name: "authenticate", payload: form.claim, enters: true },
  join: { name: "join-organization", payload: form.wish, enters: true },
  leave: { name: "leave-organization", payload: form.place },
  ping: { name: "ping", payload: () => ({}) },
};

/** Sends it, and shows the acknowledgement with it. The token goes along; the list shows a mask. */
async function request(action, payload = REQUESTS[action].payload()) {
  const { name, enters } = REQUESTS[action];
  const token = action === "authenticate" ? form.token() : "";
  if (enters) enter(action, payload);
  const sent = { ...payload, ...(token && { token }) };
  const entry = sentEntry(name, { ...payload, ...(token && { token: MASK }) });
  const began = performance.now();
  try {
    const answer = await send(name, sent);
    const refusal = answer.message ?? answer.error;
    settle(entry, began, { ok: !refusal, words: refusal ?? "acknowledged", by: "Acknowledged", payload: answer });
    if (answer.cursor) arrive(answer.cursor, payload.organizationId);
  } catch {
    settle(entry, began, { ok: false, words: "no acknowledgement" });
  }
}

async function sendBroadcast() {
  let body;
  try {
    body = form.broadcast();
  } catch (problem) {
    return form.refuse("data", problem.message);
  }
  const path = "/api/websocket/broadcast";
  const entry = sentEntry("broadcast", body, `POST ${path}`);
  const began = performance.now();
  try {
    const { ok, status, answer, words } = await post(path, body, form.token());
    settle(entry, began, { ok, words: ok ? status : `${status}: ${words}`, by: "Answered", payload: answer });
  } catch {
    settle(entry, began, { ok: false, words: "the server cannot be reached" });
  }
}

const sentEntry = (name, payload, label) =>
  add({ way: "out", kind: "sent", name, label, payload, bytes: bytesOf(payload), words: "" });

const settle = (entry, began, answer) =>
  answered(entry, { ...answer, milliseconds: Math.round(performance.now() - began) });

// --- events ----------------------------------------------------------------------------------------

const BAD = new Set(["error", "authentication-error", "reset", "drain"]);

function hear(name, payload) {
  const organization = payload?.organizationId ?? entered?.payload.organizationId;
  const { gap, again } = (organization && look(name, payload, organization)) || {};
  if (gap) showGap(gap);
  const kind = BAD.has(name) ? "bad" : name;
  const id = payload?.id ?? payload?.cursor;
  add({ way: "in", kind, name, type: payload?.type, id, payload, bytes: bytesOf(payload), again });
  showPosition();
}

/** What the event says about our position. A `head` tells where a stream begins that was asked for no cursor. */
function look(name, payload, organization) {
  if (name === "reset") return { gap: position.startOver(organization, payload.cursor) };
  if (name === "head") return !speaks && !entered.payload.cursor && { gap: begins(payload.cursor) };
  if (name === "change") return position.hear(organization, "html", { id: payload.cursor, since: payload.since });
  if (!payload?.id) return null;
  const whole = entered?.payload.scope === "all";
  return position.hear(organization, whole ? "all" : (payload.tenantId ?? "own"), payload);
}

let began = null; // the connection whose first `head` was heard

function begins(cursor) {
  if (began === entered) return null;
  began = entered;
  return position.arrive(entered.payload.organizationId, cursor);
}

function arrive(cursor, organization = entered.payload.organizationId) {
  const gap = position.arrive(organization, cursor);
  if (gap) showGap(gap);
  showPosition();
}

const showGap = ({ from, to }) =>
  add({ way: "gap", kind: "gap", name: "gap", words: `Nothing was heard after ${from} up to ${to}.` });

const note = (name, words) => add({ way: "note", kind: "note", name, words });

function showPosition() {
  const cursor = entered && position.lastCursor(entered.payload.organizationId);
  $("position").textContent = cursor ?? "none yet";
  $("reconnect").disabled = !cursor;
}

// --- the form --------------------------------------------------------------------------------------

function showForm() {
  const { organizationId, tenantId } = form.place();
  $("transport-hint").textContent = TRANSPORTS[form.transport()].hint;
  $("receivers").textContent = organizationId
    ? `Goes to ${organizationId}${tenantId ? `, tenant ${tenantId},` : ""} with the token above (an admin’s).`
    : "Goes to every organization: for instance operators only. Give organizationId to send it to one.";
  showCode();
}

function click({ target }) {
  const { action } = target.dataset;
  if (action) showCodeOf(action);
  if (!action || !isConnected() || (action !== "ping" && !form.hasOrganization())) return;
  request(action);
}

onState(showState);
form.onChange(showForm);
$("asking").addEventListener("submit", (event) => (event.preventDefault(), showCodeOf("connect"), open(form.wish())));
$("broadcast").addEventListener("submit", (event) => (event.preventDefault(), showCodeOf("broadcast"), sendBroadcast()));
$("disconnect").addEventListener("click", disconnect);
$("reconnect").addEventListener("click", comeBack);
$("requests").addEventListener("click", click);
showForm();
$("needs-scripts").remove();
for (const id of ["console", "state"]) $(id).hidden = false;
