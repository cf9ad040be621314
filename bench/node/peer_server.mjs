// The peer of the benchmark: a plain socket.io server on Node that does the same as ours, without rights or a log.
//
// Commands (lines of JSON, see tests/node/lines.mjs):
//   start {port?, options?}                       -> {port}
//   broadcast {room, count, name?, payload?}      -> {sent: [event_id]}
//       Each is sent with its own event_id, room and occurred_at, as ours are.
//   usage                                         -> {rss, cpu_user_us, cpu_system_us, sockets}
// To clients: `join_room` (or `join`) {room} is acknowledged with {ok, room, last_event_id, resync_required}.
// To everything else over HTTP it answers a small JSON at once, which shows how long its event loop lets others wait.

import { createServer } from "node:http";
import { createRequire } from "node:module";

import { answerCommands } from "../../tests/node/lines.mjs";

const require = createRequire(new URL("../../tests/node/package.json", import.meta.url));
const { Server } = require("socket.io");

const http = createServer((_request, response) => {
  response.setHeader("Content-Type", "application/json");
  response.end('{"ok":true}');
});
let server;
let lastEventId = 0;

async function start({ port = 0, options = {} }) {
  server = new Server(http, options);
  server.on("connection", (socket) => {
    const join = ({ room }, acknowledge) => {
      socket.join(room);
      acknowledge?.({ ok: true, room, last_event_id: lastEventId, resync_required: false });
    };
    socket.on("join_room", join);
    socket.on("join", join);
  });
  await new Promise((resolve, reject) => {
    http.once("error", reject);
    http.listen(port, "127.0.0.1", resolve);
  });
  return { port: http.address().port };
}

function broadcast({ room, count, name = "task_updated", payload = {} }) {
  const sent = [];
  for (let number = 0; number < count; number += 1) {
    lastEventId += 1;
    sent.push(lastEventId);
    const occurred_at = new Date().toISOString();
    server.to(room).emit(name, { ...payload, event_id: lastEventId, room, occurred_at });
  }
  return { sent };
}

function usage() {
  const { user, system } = process.cpuUsage();
  const { rss } = process.memoryUsage();
  return { rss, cpu_user_us: user, cpu_system_us: system, sockets: server.engine.clientsCount };
}

answerCommands({ start, broadcast, usage });
