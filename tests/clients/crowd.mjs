// Many integrators in one process, each with the state that its events told it:
//   node crowd.mjs URL SOCKETS POLLINGS STREAMS POLLS
// Sockets and pollings are socket.io-client, unmodified, which comes back by itself; streams and polls are
// written as docs/protocol.md says. A line on stdin: `wait SEQ MILLISECONDS` until all have that position,
// `report` what all of them hold and what was wrong, `lag` the milliseconds of marked broadcasts.
import { createInterface } from 'node:readline';
import { io } from 'socket.io-client';

const [url, ...counts] = process.argv.slice(2);
const [sockets, pollings, streams, polls] = counts.map(Number);
const ORGANIZATION = 'org-456';
const say = (value) => process.stdout.write(JSON.stringify(value) + '\n');
const sleep = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));
const seqOf = (cursor) => Number(cursor.split(':')[1]);

async function get(path) {
  for (;;) {
    try {
      const answer = await fetch(url + path, { signal: AbortSignal.timeout(15_000) });
      if (answer.ok) return await answer.json();
    } catch { /* a node is down: the next try finds another */ }
    await sleep(200 + Math.random() * 500);
  }
}

async function all(path) {
  const items = [];
  let after = '';
  do {
    const page = await get(`${path}?organizationId=${ORGANIZATION}&limit=100${after}`);
    items.push(...page.items);
    after = page.next ? `&after=${encodeURIComponent(page.next)}` : null;
  } while (after);
  return new Map(items.map((item) => [item.id, item]));
}

/** The state as REST has it: no newer than `cursor` promises, for it is asked before. */
async function load() {
  const { cursor } = await get(`/api/status?organizationId=${ORGANIZATION}`);
  return { cursor, services: await all('/api/services'), incidents: await all('/api/incidents') };
}

class Client {
  constructor(kind, start) {
    Object.assign(this, { kind, wrong: [], marks: [], lags: [], last: null, returns: 0 });
    this.take(start);
  }

  take({ cursor, services, incidents }) {
    this.cursor = cursor;
    this.services = new Map(services);
    this.incidents = new Map(incidents);
    this.last = null;
  }

  async reset() {
    this.take(await load());
  }

  hear(name, event) {
    if (!event.id) return;
    const seq = seqOf(event.id);
    if (event.id.split(':')[0] !== this.cursor.split(':')[0]) this.wrong.push(`epoch of ${event.id}`);
    if (seq <= seqOf(this.cursor)) this.wrong.push(`${event.id} after ${this.cursor}`);
    if (this.last && event.since !== this.last) this.wrong.push(`a gap: ${event.id} since ${event.since}, had ${this.last}`);
    this.last = this.cursor = event.id;
    if (event.type === 'broadcast') {
      this.marks.push(event.data.mark);
      if (event.data.at) this.lags.push(Date.now() - event.data.at);
    } else if (event.data && name !== 'status-update') this.change(name, event);
  }

  change(name, { type, data }) {
    const things = name === 'service-update' ? this.services : this.incidents;
    if (type === 'deleted') things.delete(data.id);
    else if (Object.keys(data).length > 1) things.set(data.id, data); // a blanked line: a newer one follows
  }

  get state() {
    const inOrder = (_, value) => value && typeof value === 'object' && !Array.isArray(value)
      ? Object.fromEntries(Object.entries(value).sort()) : value;
    const sorted = (things) => [...things.values()].sort((a, b) => (a.id < b.id ? -1 : 1));
    return JSON.stringify([sorted(this.services), sorted(this.incidents)], inOrder);
  }
}

function overSocket(client, transport) {
  return new Promise((joined) => {
    const socket = io(url, { transports: [transport], forceNew: true, reconnectionDelayMax: 2000 });
    for (const name of ['service-update', 'incident-update']) socket.on(name, (event) => client.hear(name, event));
    const again = () => { socket.disconnect(); setTimeout(() => socket.connect(), 300 + Math.random() * 700); };
    const join = () => {
      socket.timeout(10_000).emit('authenticate', { organizationId: ORGANIZATION, cursor: client.cursor }, async (late, answer) => {
        if (late || !answer.success) return again();
        if (answer.reset) await client.reset(); // nobody prunes or restores here: it is counted as wrong
        if (answer.reset) client.wrong.push('a reset');
        joined();
      });
    };
    socket.on('connect', () => { client.returns += 1; join(); });
    socket.on('disconnect', (reason) => { if (reason === 'io server disconnect') again(); });
  });
}

async function overStream(client, joined) {
  for (;;) {
    try {
      client.returns += 1;
      const path = `/acme/stream?view=data&cursor=${client.cursor}`;
      const patience = new AbortController();
      let timer = setTimeout(() => patience.abort(), 15_000);
      const answer = await fetch(url + path, { signal: patience.signal });
      if (!answer.ok) throw new Error(answer.status);
      let text = '';
      for await (const piece of answer.body.pipeThrough(new TextDecoderStream())) {
        clearTimeout(timer);
        timer = setTimeout(() => patience.abort(), 40_000);
        text += piece;
        for (let end; (end = text.indexOf('\n\n')) >= 0; text = text.slice(end + 2)) {
          const fields = Object.fromEntries(text.slice(0, end).split('\n').map((line) => line.split(/: (.*)/s)));
          if (fields.event === 'head') joined();
          else if (fields.event === 'reset') client.wrong.push('a reset');
          else if (fields.data) client.hear(fields.event, JSON.parse(fields.data));
        }
      }
    } catch { /* it ended, and is asked for again */ }
    await sleep(200 + Math.random() * 800);
  }
}

async function overPolls(client, joined) {
  for (;;) {
    try {
      const path = `/acme/changes?view=data&wait=5&cursor=${client.cursor}`;
      const answer = await fetch(url + path, { signal: AbortSignal.timeout(20_000) });
      if (answer.status === 200) {
        const news = await answer.json();
        if (news.reset) client.wrong.push('a reset');
        for (const event of news.events) client.hear(event.event, event);
      } else if (answer.status !== 204) throw new Error(answer.status);
      joined();
    } catch {
      await sleep(200 + Math.random() * 800);
    }
  }
}

const clients = [];
const joins = [];
const start = await load();
function bring(count, kind, begin) {
  for (let i = 0; i < count; i += 1) {
    const client = new Client(kind, start);
    clients.push(client);
    joins.push(new Promise((joined) => { begin(client, joined)?.then?.(joined); }));
  }
}
bring(sockets, 'websocket', (client) => overSocket(client, 'websocket'));
bring(pollings, 'polling', (client) => overSocket(client, 'polling'));
bring(streams, 'sse', overStream);
bring(polls, 'poll', overPolls);
await Promise.all(joins);
say({ ready: clients.length });

async function wait(seq, milliseconds) {
  const until = Date.now() + Number(milliseconds);
  const behind = () => clients.filter((client) => seqOf(client.cursor) < Number(seq));
  while (behind().length && Date.now() < until) await sleep(50);
  return { behind: behind().map((client) => `${client.kind} at ${client.cursor}`).slice(0, 5), count: behind().length };
}

async function report() {
  const { services, incidents } = await load();
  const fresh = new Client('fresh', { cursor: 'x:0', services, incidents }).state;
  return {
    wrong: clients.flatMap((client) => client.wrong.map((words) => `${client.kind}: ${words}`)).slice(0, 20),
    different: clients.filter((client) => client.state !== fresh).map((client) => client.kind),
    doubled: clients.filter((client) => new Set(client.marks).size !== client.marks.length).map((client) => client.kind),
    marks: clients.map((client) => client.marks.length),
    returns: clients.reduce((sum, client) => sum + client.returns, 0),
    fresh,
    example: clients.find((client) => client.state !== fresh)?.state ?? '',
  };
}

function lag() {
  const lags = clients.flatMap((client) => client.lags.splice(0)).sort((a, b) => a - b);
  return { count: lags.length, p50: lags[Math.floor(lags.length / 2)], p95: lags[Math.floor(lags.length * 0.95)], most: lags.at(-1) };
}

createInterface({ input: process.stdin }).on('line', async (line) => {
  const [order, ...words] = line.split(' ');
  say(await { wait, report, lag }[order](...words));
}).on('close', () => process.exit());
