// Drives many connections of the real socket.io-client; `tests/realtime/socket_client.py` is its other half.
//
// Tells {client, happened: "connect", socket_id, transport}, {client, happened: "upgrade", transport},
// {client, happened: "connect_error", message, data}, {client, happened: "disconnect", reason} and
// {client, happened: "event", name, values}.

import { io } from "socket.io-client";

import { answerCommands, tell } from "./lines.mjs";

const clients = new Map();

function socketOf(client) {
  if (!clients.has(client)) throw new Error(`There is no client ${client}.`);
  return clients.get(client).socket;
}

/** Begins to connect. `auth` is what the server is told, and can be replaced later for the next connection. */
function open({ client, url, auth, options }) {
  const entry = { auth, socket: null };
  // A manager, and so a connection, for each; the auth is asked for at every connection, the automatic ones too.
  entry.socket = io(url, { ...options, forceNew: true, auth: (answer) => answer(entry.auth) });
  clients.set(client, entry);
  const { socket } = entry;
  socket.on("connect", () => {
    const { engine } = socket.io;
    tell({ client, happened: "connect", socket_id: socket.id, transport: engine.transport.name });
    engine.once("upgrade", ({ name }) => tell({ client, happened: "upgrade", transport: name }));
  });
  socket.on("connect_error", (error) => {
    tell({ client, happened: "connect_error", message: error.message, data: error.data ?? null });
  });
  socket.on("disconnect", (reason) => tell({ client, happened: "disconnect", reason }));
  socket.onAny((name, ...values) => tell({ client, happened: "event", name, values }));
}

/** Emits an event and answers {values} of its acknowledgement, or {missing: why} when none came. */
function emit({ client, name, values, timeout_ms }) {
  return new Promise((resolve) => {
    socketOf(client)
      .timeout(timeout_ms)
      .emit(name, ...values, (error, ...answered) => resolve(error ? { missing: error.message } : { values: answered }));
  });
}

/** Loses the connection as a lost network does: nothing is said to the server, neither by Socket.IO nor by WebSocket. */
async function cut({ client }) {
  const { engine } = socketOf(client).io;
  if (engine?.upgrading) {
    await new Promise((resolve) => {
      engine.once("upgrade", resolve);
      engine.once("upgradeError", resolve);
    });
  }
  if (engine?.readyState !== "open") throw new Error(`Client ${client} is not connected.`);
  const { transport } = engine;
  if (transport.name === "websocket") {
    transport.ws.terminate();
    return;
  }
  // Polling says goodbye with a request of its own.
  transport.doClose = () => transport.pollXhr?.abort();
  engine._onClose("transport close");
}

answerCommands({
  open,
  emit,
  cut,
  auth: ({ client, auth }) => {
    socketOf(client);
    clients.get(client).auth = auth;
  },
  // Without asking for an acknowledgement.
  send: ({ client, name, values }) => {
    socketOf(client).emit(name, ...values);
  },
  close: ({ client }) => {
    socketOf(client).disconnect();
  },
  reopen: ({ client }) => {
    socketOf(client).connect();
  },
  // A client that no longer reads, though its connection stands; only with WebSocket.
  stall: ({ client }) => {
    socketOf(client).io.engine.transport.ws.pause();
  },
  resume: ({ client }) => {
    socketOf(client).io.engine.transport.ws.resume();
  },
});
