/**
 * The rungs of the ladder, the best one first. `open(hears, sign, fail)` connects from the position that the
 * page has: it calls `hears[event]` with what it brings, `sign` at every sign of life (data, never a mere
 * `open`) and `fail` when it is over, and returns how to close it. `again`: the page was connected before.
 */
import { after, ask, here, inTurn, query, request, show } from "changes";

const PLAIN_POLL = 12_000;

const { path, view, scope, organization, tenant } = document.getElementById("board").dataset;

function webSocket(hears, sign, fail, again) {
  const opened = import("socket.io").then(({ io }) => {
    const socket = io({ transports: ["websocket"], reconnection: false, forceNew: true });
    const wish = () => ({ organizationId: organization, tenantId: tenant || null, cursor: here(), view, scope: scope || null, again });
    for (const [name, hear] of Object.entries(hears)) socket.on(name, (data) => (sign(), hear(data)));
    socket.on("connect", () => socket.emit("join-organization", wish(), ({ message }) => (message ? fail : sign)()));
    socket.on("error", ask); // our access may have ended: the answer will be 404
    socket.on("connect_error", fail);
    socket.on("disconnect", fail);
    return socket;
  });
  opened.catch(fail);
  return () => opened.then((socket) => socket.disconnect(), () => {});
}

function stream(hears, sign, fail, again) {
  const source = new EventSource(`${path}/stream?${query({ cursor: here(), ...(again && { again: 1 }) })}`);
  for (const [name, hear] of Object.entries(hears))
    source.addEventListener(name, ({ data }) => (sign(), hear(JSON.parse(data))));
  source.onerror = fail; // we come back ourselves, with the position that we have then
  return () => source.close();
}

function poll(_hears, sign, fail) {
  const stop = new AbortController();
  keepPolling(sign, stop.signal).catch(fail);
  return () => stop.abort();
}

/** Answers held until there is news; every few seconds a plain one, where a proxy cuts those. */
async function keepPolling(sign, stop) {
  for (let wait = 0, cuts = 0; !stop.aborted; wait = cuts < 2 ? 25 : 0) {
    try {
      await pollOnce(wait, stop);
      sign();
      if (wait) cuts = 0;
      else if (cuts >= 2) await after(PLAIN_POLL);
    } catch (error) {
      if (!wait) throw error;
      cuts += 1;
    }
  }
}

async function pollOnce(wait, stop) {
  const asked = here();
  const change = await request(asked, wait, stop);
  if (change) await inTurn(() => asked === here() && show(change)); // else it was overtaken
  if (change && asked === here()) throw new Error("The answer could not be shown");
}

export const RUNGS = [
  { name: "WebSocket", open: webSocket },
  { name: "server-sent events", open: stream },
  { name: "polling", open: poll },
];
