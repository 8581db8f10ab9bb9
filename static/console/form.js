/**
 * What the person wants: the fields as the protocol's events take them, and words beside a field that is not
 * right yet. Empty fields are left out.
 */
const asking = document.getElementById("asking");
const sending = document.getElementById("broadcast");
const LARGEST = 16 * 1024; // bytes of a broadcast's data, as the server has it

const text = (name) => asking.elements[name].value.trim();
const filled = (fields) => Object.fromEntries(Object.entries(fields).filter(([, value]) => value));

export const transport = () => asking.elements.transport.value;
export const token = () => text("token");
export const view = () => text("view") || "data";

export const place = () => filled({ organizationId: text("organizationId"), tenantId: text("tenantId") });

/** Of join-organization. */
export function wish() {
  const scope = asking.elements.all.checked && "all";
  return { ...place(), ...filled({ cursor: text("cursor"), view: view() !== "data" && view(), scope }) };
}

/** Of authenticate, without the token. */
export const claim = () => ({ ...filled({ userId: text("userId"), userRole: text("userRole") }), ...wish() });

/** Of a broadcast; Error in words when the data is not ready to be sent. */
export const broadcast = () => ({ type: sending.elements.type.value, data: data(), ...place() });

function data() {
  const written = sending.elements.data.value;
  if (!written.trim()) throw new Error("Write the data as a JSON object, such as {\"status\": \"degraded\"}.");
  const found = parsed(written);
  if (found === null || typeof found !== "object" || Array.isArray(found))
    throw new Error("The data must be a JSON object: { … }.");
  const size = new TextEncoder().encode(JSON.stringify(found)).length;
  if (size > LARGEST) throw new Error(`At most ${LARGEST} bytes of JSON; these are ${size}.`);
  return found;
}

function parsed(written) {
  try {
    return JSON.parse(written);
  } catch (error) {
    throw new Error(`This is not JSON yet: ${error.message.replace(/^JSON\.parse: /, "")}.`);
  }
}

/** Whether the organization is named; says so beside the field when it is not. */
export function hasOrganization() {
  if (text("organizationId")) return true;
  refuse("organizationId", "Which organization? Give its id.");
  return false;
}

/** Words beside a field, and the focus in it. They go when something is typed. */
export function refuse(name, words) {
  const field = document.getElementById(name);
  say(name, words);
  field.setAttribute("aria-invalid", "true");
  field.focus();
}

function say(name, words) {
  const problem = document.getElementById(`${name}-problem`);
  problem.textContent = words;
  problem.hidden = !words;
}

function forgive({ target }) {
  if (!target.hasAttribute("aria-invalid")) return;
  target.removeAttribute("aria-invalid");
  say(target.id, "");
}

/** Calls back whenever a field has another value. */
export function onChange(tell) {
  for (const form of [asking, sending]) form.addEventListener("input", (event) => (forgive(event), tell()));
}
