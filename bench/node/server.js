// What one would pick instead: a Socket.IO server on Node, with the same events and the same broadcast.
// PORT=… PING_INTERVAL=seconds node server.js

const { createServer } = require("node:http");
const { Server } = require("socket.io");

const http = createServer(answer);
const io = new Server(http, { pingInterval: Number(process.env.PING_INTERVAL || 25) * 1000 });
const log = []; // what was broadcast, for those who come with a cursor

io.on("connection", socket => {
  socket.on("authenticate", ({ organizationId, tenantId, cursor }, acknowledge) => {
    if (typeof organizationId !== "string") return acknowledge({ error: "Which organization?" });
    socket.join(`org:${organizationId}`);
    if (tenantId) socket.join(`tenant:${tenantId}`);
    const missed = cursor === undefined ? [] : log.slice(Number(cursor.split(":")[1]));
    for (const event of missed) socket.emit(event.name, event);
    const answer = {
      success: true, clientId: socket.id, organizationId, tenantId: tenantId ?? null, role: "visitor",
      cursor: position(), replayed: missed.length, reset: false, timestamp: new Date().toISOString(),
    };
    socket.emit("authenticated", answer);
    acknowledge(answer);
  });
});

const position = () => `node:${log.length}`;

function broadcast({ type, data, organizationId }) {
  const since = position();
  log.push(null);
  const timestamp = new Date().toISOString();
  const event = { id: position(), since, type: "broadcast", data, organizationId, tenantId: null, timestamp };
  log[log.length - 1] = { name: type, ...event };
  io.to(`org:${organizationId}`).emit(type, event);
  return event.id;
}

function answer(request, response) {
  if (request.method !== "POST") return response.end("{}");
  const parts = [];
  request.on("data", part => parts.push(part));
  request.on("end", () => {
    const id = broadcast(JSON.parse(Buffer.concat(parts)));
    response.writeHead(202, { "Content-Type": "application/json" });
    response.end(JSON.stringify({ success: true, ids: [id] }));
  });
}

http.listen(Number(process.env.PORT), "127.0.0.1");
