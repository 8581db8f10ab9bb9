/**
 * The one connection, by the transport that was chosen, and its state as it is: `idle`, `connecting`,
 * `connected`, or `lost` with the reason. What an older connection still has to say is not heard.
 */
import { openPolling, openStream } from "console/http";
import { openSocket } from "console/socket";

export const TRANSPORTS = {
  websocket: {
    name: "WebSocket",
    open: (asked, hears) => openSocket("websocket", asked, hears),
    speaks: true,
    hint: "Socket.IO over WebSocket. Connect, then authenticate or join.",
  },
  polling: {
    name: "long-polling",
    open: (asked, hears) => openSocket("polling", asked, hears),
    speaks: true,
    hint: "Socket.IO over HTTP long-polling. Connect, then authenticate or join.",
  },
  sse: {
    name: "server-sent events",
    open: openStream,
    hint: "GET /org/stream. Connecting is joining: token and cursor go with the request.",
  },
  held: {
    name: "held polling",
    open: openPolling,
    hint: "GET /org/changes?wait=25, again and again. Connecting is joining.",
  },
};

let current = null;
let tell = () => {};

export const onState = (hear) => (tell = hear);
export const isConnected = () => current?.state === "connected";

/** Opens it in place of the one before. `asked` is {wish, token}; `hears` is {connected, event, reached}. */
export function connect(transport, asked, hears) {
  close();
  const mine = (current = { transport, state: "connecting", wire: null });
  const ifMine = (act) => (...what) => current === mine && act(...what);
  tell("connecting", TRANSPORTS[transport].name);
  mine.wire = TRANSPORTS[transport].open(asked, {
    alive: ifMine(() => mine.state === "connecting" && live(mine, hears)),
    event: ifMine(hears.event),
    reached: ifMine(hears.reached),
    lost: ifMine((reason) => lose(mine, reason)),
  });
}

function live(mine, hears) {
  mine.state = "connected";
  tell("connected", TRANSPORTS[mine.transport].name);
  hears.connected();
}

function lose(mine, reason) {
  current = null;
  mine.wire?.close();
  tell("lost", reason);
}

function close() {
  current?.wire?.close();
  current = null;
}

export function disconnect() {
  close();
  tell("idle", "");
}

/** What the server acknowledges. Error when it does not in time. */
export const send = (name, payload) => current.wire.send(name, payload);
