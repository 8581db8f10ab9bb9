/** The same with curl, which speaks plain HTTP: what Socket.IO tells is told by the stream as well. */
import { shell } from "console/literal";

export const needs = () => "";

export function program(asked) {
  const { action, origin, speaks, transport } = asked;
  const head = asked.token ? [`-H ${bearer(asked.token)}`] : [];
  if (action === "broadcast") return broadcast(asked, head);
  if (action === "ping") return `# Ping is an event of Socket.IO. Over HTTP, ask how things are:\n${lines(
    "curl -s", [...head, shell(origin + asked.statusPath)])}`;
  const note = action === "leave"
    ? "# There is no room to leave: end the request (Ctrl+C).\n"
    : speaks ? "# curl speaks no Socket.IO. The same events as server-sent events:\n" : "";
  if (transport === "held") return polling(asked, head);
  return note + lines("curl -sN", [...head, shell(origin + asked.streamPath)]);
}

/** In double quotes, where the shell puts $TOKEN in; anything else is quoted whole. */
const bearer = (token) => (token === true ? '"Authorization: Bearer $TOKEN"' : shell(`Authorization: Bearer ${token}`));

const lines = (command, words) => `${[command, ...words].join(" \\\n  ")}\n`;

function polling({ origin, changesPath, cursor }, head) {
  const place = `${origin}${changesPath}`;
  if (cursor) return lines("curl -s", [...head, shell(`${place}&cursor=${cursor}`)]);
  return `# The first answer has the cursor to go on from: add &cursor=… to the address\n${lines(
    "curl -s", [...head, shell(place)])}`;
}

function broadcast({ origin, body }, head) {
  return lines("curl -s", [
    ...head,
    '-H "Content-Type: application/json"',
    `-d ${shell(JSON.stringify(body, null, 2))}`,
    shell(`${origin}/api/websocket/broadcast`),
  ]);
}
