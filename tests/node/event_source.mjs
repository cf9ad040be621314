// Drives streams of a real EventSource; `tests/realtime/event_source.py` is its other half.
//
// Tells {client, happened: "request", url, last_event_id}, {client, happened: "response", status, headers, body} (the
// body only of a refusal), {client, happened: "open"}, {client, happened: "error", status, message, closed} and
// {client, happened: "event", event_id, name, data}.

import { EventSource } from "eventsource";

import { answerCommands, tell } from "./lines.mjs";

const clients = new Map();

/** An EventSource that tells of every event, whatever its name. */
class Stream extends EventSource {
  constructor(client, url, entry) {
    super(url, { fetch: (address, request) => ask(client, entry, address, request) });
    this.client = client;
  }

  dispatchEvent(event) {
    const { client } = this;
    if (event instanceof MessageEvent) {
      tell({ client, happened: "event", event_id: event.lastEventId, name: event.type, data: event.data });
    } else if (event.type === "open") {
      tell({ client, happened: "open" });
    } else {
      const closed = this.readyState === this.CLOSED;
      tell({ client, happened: "error", status: event.code ?? null, message: event.message ?? "", closed });
    }
    return super.dispatchEvent(event);
  }
}

/** Asks for the stream with the client's newest headers. */
async function ask(client, entry, address, request) {
  const headers = { ...request.headers, ...entry.headers };
  tell({ client, happened: "request", url: String(address), last_event_id: headers["Last-Event-ID"] ?? null });
  const response = await fetch(address, { ...request, headers });
  const { status } = response;
  const body = response.ok ? null : await response.clone().text();
  tell({ client, happened: "response", status, headers: Object.fromEntries(response.headers), body });
  if (status !== 200) return response;
  return new Response(cuttable(response.body, entry), { status, headers: response.headers });
}

/** The same stream, which `entry.cut()` breaks off as a lost network does. */
function cuttable(body, entry) {
  const reader = body.getReader();
  return new ReadableStream({
    start(controller) {
      entry.cut = () => {
        entry.cut = null;
        controller.error(new TypeError("cut"));
        return reader.cancel();
      };
    },
    async pull(controller) {
      const { done, value } = await reader.read();
      if (entry.cut === null) return;
      if (done) {
        entry.cut = null;
        controller.close();
      } else controller.enqueue(value);
    },
    cancel: (reason) => reader.cancel(reason),
  });
}

function entryOf(client) {
  if (!clients.has(client)) throw new Error(`There is no client ${client}.`);
  return clients.get(client);
}

answerCommands({
  open: ({ client, url, headers }) => {
    const entry = { headers, cut: null, stream: null };
    entry.stream = new Stream(client, url, entry);
    clients.set(client, entry);
  },
  // For the next request.
  headers: ({ client, headers }) => {
    entryOf(client).headers = headers;
  },
  cut: async ({ client }) => {
    const { cut } = entryOf(client);
    if (!cut) throw new Error(`Client ${client} is not connected.`);
    await cut();
  },
  close: ({ client }) => {
    entryOf(client).stream.close();
  },
});
