// socket.io-client, unmodified: `node listener.mjs URL TRANSPORT [TOKEN]`.
// Reads orders from stdin, a JSON line each: [number or null, event, data]; with a number the acknowledgement is
// written back. Writes all it hears to stdout: [null, event, payload], or [number, "", payload] for an answer.
import { createInterface } from 'node:readline';
import { io } from 'socket.io-client';

const [url, transport, token] = process.argv.slice(2);
const say = (...line) => process.stdout.write(JSON.stringify(line) + '\n');

const socket = io(url, { transports: [transport], auth: token ? { token } : {}, reconnection: false });
socket.on('connect', () => say(null, 'connect', null));
socket.on('connect_error', (error) => say(null, 'connect_error', String(error)));
socket.on('disconnect', (reason) => say(null, 'disconnect', reason));
socket.onAny((event, payload) => say(null, event, payload));

createInterface({ input: process.stdin }).on('line', (line) => {
  const [number, event, data] = JSON.parse(line);
  if (number === null) socket.emit(event, data);
  else socket.emit(event, data, (answer) => say(number, '', answer));
});
