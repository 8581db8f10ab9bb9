/** Plain HTTP: the stream of server-sent events, held answers, and a POST. By fetch, which can send a token. */
const WAIT = 25; // seconds that an answer may be held
const JSON_TYPE = { "Content-Type": "application/json" };

/** `/org/tenant/stream?view=…`, as a program would write it. */
export function address(what, { organizationId, tenantId, view = "data", cursor, scope }, more = {}) {
  const path = [organizationId, tenantId, what].filter(Boolean).map(encodeURIComponent).join("/");
  const fields = Object.entries({ view, scope, ...more, cursor }).filter(([, value]) => value);
  return `/${path}?${fields.map(([name, value]) => `${name}=${encoded(value)}`).join("&")}`;
}

const encoded = (value) => encodeURIComponent(value).replaceAll("%3A", ":").replaceAll("%2F", "/");
const bearer = (token) => (token ? { Authorization: `Bearer ${token}` } : {});

export const openStream = (asked, hears) => open(readStream, asked, hears);
export const openPolling = (asked, hears) => open(poll, asked, hears);

function open(read, asked, hears) {
  const stop = new AbortController();
  read(asked, hears, stop.signal).then(
    () => hears.lost("the server ended the answer"),
    (error) => hears.lost(error instanceof TypeError ? "the server cannot be reached" : error.message),
  );
  return { close: () => stop.abort() };
}

/** Event by event (WHATWG HTML, server-sent events). The server writes LF only and one `data:` line. */
async function readStream({ wish, token }, hears, signal) {
  const headers = { Accept: "text/event-stream", ...bearer(token) };
  const response = await fetch(address("stream", wish), { headers, signal, cache: "no-store" });
  if (response.status === 204) throw new Error("the server asks not to come back");
  await insist(response);
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let unread = "";
  for (let part = await reader.read(); !part.done; part = await reader.read()) {
    const blocks = (unread + part.value).split("\n\n");
    unread = blocks.pop();
    for (const block of blocks) hearBlock(block, hears);
  }
}

function hearBlock(block, hears) {
  const fields = Object.fromEntries(block.split("\n").map((line) => line.split(/: (.*)/s, 2)));
  if (!fields.data) return; // `retry:` alone
  hears.alive(); // data, never a mere open, which a proxy that buffers lets through
  hears.event(fields.event ?? "message", JSON.parse(fields.data));
}

/** The first answer does not wait: it tells where we are. */
async function poll({ wish, token }, hears, signal) {
  for (let [cursor, wait] = [wish.cursor, 0]; !signal.aborted; wait = WAIT) {
    const url = address("changes", { ...wish, cursor }, { wait });
    const response = await fetch(url, { headers: bearer(token), signal, cache: "no-store" });
    await insist(response);
    const found = response.status === 200 ? await response.json() : null;
    hears.alive();
    if (found) hearAnswer(found, hears);
    cursor = found?.cursor ?? cursor;
  }
}

function hearAnswer(found, hears) {
  if (!found.events) return hears.event("change", found);
  if (found.reset) hears.event("reset", { cursor: found.cursor });
  for (const { event, ...payload } of found.events) hears.event(event, payload);
  hears.reached(found.cursor);
}

/** What the server says to a broadcast: its status, and its answer whether it likes it or not. */
export async function post(path, body, token) {
  const headers = { ...JSON_TYPE, ...bearer(token) };
  const options = { method: "POST", headers, body: JSON.stringify(body), credentials: "omit" }; // by the token alone
  const response = await fetch(path, options);
  const answer = await response.json().catch(() => null);
  return { ok: response.ok, status: response.status, answer, words: answer?.detail ?? response.statusText };
}

async function insist(response) {
  if (response.ok) return;
  const problem = await response.json().catch(() => ({}));
  throw new Error(`${response.status}: ${problem.detail ?? response.statusText}`);
}
