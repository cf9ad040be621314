// A crowd of clients, each a connection of the real socket.io-client over WebSocket alone.
//
// Commands (lines of JSON, see tests/node/lines.mjs); all moments are milliseconds of the wall clock:
//   connect {url, tokens, clients, at_once, rooms, options?}
//       Opens `clients` connections, `at_once` at a time; each joins one room. `tokens` is a file with one token a line;
//       clients take tokens and rooms in turn. -> an arrival (below)
//   wait {name, events, receipts?, since?, timeout_ms}
//       Waits until `events` different events of that name have each come to `receipts` clients (all that have joined
//       a room), or the time is over. -> {complete, events: [broadcast]}
//   broadcasts {name?, since?}      -> {events: [broadcast]}
//   forget                          Forgets the broadcasts so far; what each client has seen stays known.
//   cut                             Loses all connections, without a word to the server. -> {cut, at}
//   reconnect {at_once}             Connects all that are not connected, which join with `since`. -> an arrival
//   report {expected?}
//       Compares what each client got with `expected` (event ids), by default with all that anybody in its room got.
//       -> {clients, connected, received: {least, most}, missing, repeated, clients_missing, clients_repeated, examples}
//   close                           Disconnects all politely.
//   usage                           -> {rss, cpu_user_us, cpu_system_us}
// An arrival is {seconds, joined, resync_required, failed, failures (the first ten), milliseconds: statistics}; a
// broadcast is {event_id, name, payload, received, first, last, spread_ms, milliseconds: statistics since `since`}.

import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

import { answerCommands } from "../../tests/node/lines.mjs";

const require = createRequire(new URL("../../tests/node/package.json", import.meta.url));
const { io } = require("socket.io-client");

const JOIN_MS = 120_000;

const clients = [];
// By event id: {event_id, name, payload, times}.
let broadcasts = new Map();
const waiting = new Set();

/** One connection, and what it has received. */
class Client {
  constructor(url, token, room, options) {
    this.room = room;
    this.token = token;
    this.joined = false;
    // The largest id it knows, which it resumes after.
    this.position = null;
    this.seen = new Set();
    this.repeated = [];
    this.socket = io(url, {
      transports: ["websocket"],
      perMessageDeflate: false,
      reconnection: false,
      timeout: JOIN_MS,
      ...options,
      autoConnect: false,
      forceNew: true,
      auth: (answer) => answer({ token: this.token }),
    });
    this.socket.onAny((name, payload) => this.receive(name, payload));
    this.socket.on("disconnect", () => {
      this.joined = false;
    });
  }

  /** Connects and joins; returns the acknowledgement, throws what went wrong. */
  async arrive() {
    await new Promise((resolve, reject) => {
      const done = (settle, value) => {
        this.socket.off("connect", connected);
        this.socket.off("connect_error", failed);
        settle(value);
      };
      const connected = () => done(resolve);
      const failed = (error) => done(reject, error);
      this.socket.on("connect", connected);
      this.socket.on("connect_error", failed);
      this.socket.connect();
    });
    const wanted = this.position === null ? { room: this.room } : { room: this.room, since: this.position };
    const answer = await this.socket.timeout(JOIN_MS).emitWithAck("join_room", wanted);
    if (!answer.ok) {
      // It will come back, as whoever was refused for the moment does.
      this.socket.disconnect();
      throw new Error(JSON.stringify(answer.error));
    }
    this.joined = true;
    // What it has missed may come after this answer, so that the answer's position is not yet its own.
    if (this.position === null || answer.resync_required) {
      this.position = Math.max(this.position ?? 0, answer.last_event_id ?? 0);
    }
    return answer;
  }

  receive(name, payload) {
    const eventId = payload?.event_id;
    if (eventId === undefined) return;
    if (this.seen.has(eventId)) this.repeated.push(eventId);
    this.seen.add(eventId);
    if (eventId > this.position) this.position = eventId;
    let broadcast = broadcasts.get(eventId);
    if (broadcast === undefined) {
      broadcast = { event_id: eventId, name, payload, times: [] };
      broadcasts.set(eventId, broadcast);
    }
    broadcast.times.push(Date.now());
    for (const check of waiting) check(broadcast);
  }
}

/** Lets `arriving` connect and join, `atOnce` at a time. */
async function arrive(arriving, atOnce) {
  const began = performance.now();
  const durations = [];
  const failures = [];
  let resyncs = 0;
  const queue = arriving.values();
  const take = async () => {
    for (const client of queue) {
      const start = performance.now();
      try {
        const answer = await client.arrive();
        if (answer.resync_required) resyncs += 1;
        durations.push(performance.now() - start);
      } catch (error) {
        failures.push(error.data ? `${error.message}: ${JSON.stringify(error.data)}` : error.message);
      }
    }
  };
  await Promise.all(Array.from({ length: Math.min(atOnce, arriving.length) }, take));
  return {
    seconds: (performance.now() - began) / 1000,
    joined: durations.length,
    resync_required: resyncs,
    failed: failures.length,
    failures: failures.slice(0, 10),
    milliseconds: statistics(durations),
  };
}

/** Returns {least, median, p95, p99, most} of the numbers, null without any. */
function statistics(numbers) {
  if (numbers.length === 0) return null;
  const sorted = Float64Array.from(numbers).sort();
  const part = (share) => sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)];
  return { least: sorted[0], median: part(0.5), p95: part(0.95), p99: part(0.99), most: sorted[sorted.length - 1] };
}

function described({ event_id, name, payload, times }, since) {
  // Arrivals are noted as they come, so these are sorted.
  const first = times[0];
  const last = times[times.length - 1];
  const milliseconds = since === undefined ? null : statistics(times.map((time) => time - since));
  return { event_id, name, payload, received: times.length, first, last, spread_ms: last - first, milliseconds };
}

function listed(name, since) {
  return [...broadcasts.values()]
    .filter((broadcast) => name === undefined || broadcast.name === name)
    .sort((one, other) => one.event_id - other.event_id)
    .map((broadcast) => described(broadcast, since));
}

function connect({ url, tokens, clients: number, at_once, rooms, options = {} }) {
  const known = readFileSync(tokens, "utf8").split("\n").filter(Boolean);
  const arriving = Array.from({ length: number }, (_, index) => {
    return new Client(url, known[index % known.length], rooms[index % rooms.length], options);
  });
  clients.push(...arriving);
  return arrive(arriving, at_once);
}

async function wait({ name, events, receipts, since, timeout_ms }) {
  const needed = receipts ?? clients.filter((client) => client.joined).length;
  const complete = new Set();
  const count = (broadcast) => {
    if (broadcast.name === name && broadcast.times.length >= needed) complete.add(broadcast.event_id);
    return complete.size >= events;
  };
  const done = await new Promise((resolve) => {
    if ([...broadcasts.values()].filter(count).length > 0) return resolve(true);
    const timer = setTimeout(() => finish(false), timeout_ms);
    const check = (broadcast) => count(broadcast) && finish(true);
    const finish = (result) => {
      clearTimeout(timer);
      waiting.delete(check);
      resolve(result);
    };
    waiting.add(check);
  });
  return { complete: done, events: listed(name, since) };
}

function cut() {
  const connected = clients.filter((client) => client.socket.connected);
  const at = Date.now();
  const gone = connected.map((client) => new Promise((resolve) => client.socket.once("disconnect", resolve)));
  for (const client of connected) client.socket.io.engine.transport.ws.terminate();
  return Promise.all(gone).then(() => ({ cut: connected.length, at }));
}

function report({ expected }) {
  const inRoom = new Map();
  for (const client of clients) {
    if (!inRoom.has(client.room)) inRoom.set(client.room, new Set(expected));
    if (expected === undefined) for (const eventId of client.seen) inRoom.get(client.room).add(eventId);
  }
  const counts = { missing: 0, repeated: 0, clients_missing: 0, clients_repeated: 0, examples: [] };
  for (const [index, client] of clients.entries()) {
    const missing = [...inRoom.get(client.room)].filter((eventId) => !client.seen.has(eventId));
    const { repeated } = client;
    counts.missing += missing.length;
    counts.repeated += repeated.length;
    counts.clients_missing += missing.length > 0;
    counts.clients_repeated += repeated.length > 0;
    if ((missing.length || repeated.length) && counts.examples.length < 5) {
      counts.examples.push({ client: index, missing: missing.slice(0, 10), repeated: repeated.slice(0, 10) });
    }
  }
  const sizes = clients.map((client) => client.seen.size).sort((one, other) => one - other);
  return {
    clients: clients.length,
    connected: clients.filter((client) => client.socket.connected).length,
    received: { least: sizes[0] ?? 0, most: sizes[sizes.length - 1] ?? 0 },
    ...counts,
  };
}

answerCommands({
  connect,
  wait,
  broadcasts: ({ name, since }) => ({ events: listed(name, since) }),
  forget: () => {
    broadcasts = new Map();
  },
  cut,
  reconnect: ({ at_once }) => {
    return arrive(
      clients.filter((client) => !client.socket.connected),
      at_once,
    );
  },
  report,
  close: () => {
    for (const client of clients) client.socket.disconnect();
  },
  usage: () => {
    const { user, system } = process.cpuUsage();
    return { rss: process.memoryUsage().rss, cpu_user_us: user, cpu_system_us: system };
  },
});
