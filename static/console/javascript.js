/** The program in JavaScript: socket.io-client for Socket.IO, fetch for the rest. Runs with node as a module. */
import { Expression, javascript as written } from "console/literal";

export const needs = ({ action, speaks }) =>
  speaks && action !== "broadcast" ? "npm install socket.io-client" : "Nothing to install, in Node 18 or newer";

export function program(asked) {
  const token = asked.token && new Expression(asked.token === true ? "process.env.TOKEN" : written(asked.token));
  if (asked.action === "broadcast") return broadcast(asked, token);
  if (!asked.speaks) return asked.transport === "sse" ? stream(asked, token) : polling(asked, token);
  return socket(asked, token);
}

function socket({ action, origin, transport, requests }, token) {
  const options = { transports: [transport], ...(token && { auth: { token } }) };
  const emits = requests.map(({ name, payload }) => {
    const fields = action === "authenticate" && token ? { ...payload, token } : payload;
    return `  console.log(await socket.emitWithAck(${written(name)}, ${written(fields, "  ")}));`;
  });
  return `import { io } from "socket.io-client";

const socket = io(${written(origin)}, ${written(options)});

socket.on("connect", async () => {
${emits.join("\n") || '  console.log("Connected");'}
});
socket.onAny((name, event) => console.log(name, event));
socket.on("disconnect", (reason) => console.log("Lost:", reason));
socket.on("connect_error", (error) => console.error(error.message));
`;
}

const bearer = (token) => new Expression(`"Bearer " + ${token.text}`);

const headersOf = (token) => (token ? { headers: { Authorization: bearer(token) } } : null);

function stream({ origin, streamPath }, token) {
  const options = headersOf(token);
  return `const response = await fetch(${written(origin + streamPath)}${options ? `, ${written(options)}` : ""});
if (!response.ok) throw new Error(await response.text());

for await (const text of response.body.pipeThrough(new TextDecoderStream())) {
  process.stdout.write(text);
}
`;
}

function polling({ origin, changesPath, cursor }, token) {
  const options = headersOf(token);
  return `const url = new URL(${written(origin + changesPath)});
let cursor = ${written(cursor ?? "")}; // the first answer without one says where you are

for (;;) {
  if (cursor) url.searchParams.set("cursor", cursor);
  const response = await fetch(url${options ? `, ${written(options, "  ")}` : ""});
  if (response.status === 204) continue; // nothing new in 25 seconds
  if (!response.ok) throw new Error(await response.text());
  const changes = await response.json();
  console.log(JSON.stringify(changes));
  cursor = changes.cursor;
}
`;
}

function broadcast({ origin, body }, token) {
  const headers = { ...(token && { Authorization: bearer(token) }), "Content-Type": "application/json" };
  return `const response = await fetch(${written(`${origin}/api/websocket/broadcast`)}, {
  method: "POST",
  headers: ${written(headers, "  ")},
  body: JSON.stringify(${written(body, "  ")}),
});
console.log(response.status, await response.json());
`;
}
