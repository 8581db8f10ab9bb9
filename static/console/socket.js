/** Socket.IO by one transport, without an upgrade and without coming back by itself: what is shown is what is. */
const PATIENCE = 10_000; // milliseconds for an acknowledgement
const WHY = {
  "io server disconnect": "the server ended it",
  "ping timeout": "the server gave no sign of life",
  "transport close": "the connection was cut",
  "transport error": "the connection failed",
};

export function openSocket(transport, { token }, hears) {
  const opened = import("socket.io").then(({ io }) => {
    const auth = token ? { token } : {};
    const socket = io({ transports: [transport], upgrade: false, reconnection: false, forceNew: true, auth });
    socket.on("connect", hears.alive);
    socket.on("connect_error", ({ message }) => hears.lost(`no connection (${message})`));
    socket.on("disconnect", (reason) => hears.lost(WHY[reason] ?? reason));
    socket.onAny((name, payload) => hears.event(name, payload));
    return socket;
  });
  opened.catch(() => hears.lost("the Socket.IO client did not load"));
  return {
    close: () => opened.then((socket) => socket.disconnect(), () => {}),
    send: async (name, payload) => (await opened).timeout(PATIENCE).emitWithAck(name, payload),
  };
}
