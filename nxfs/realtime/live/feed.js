// What happens in rooms, as it happens: a stream of server-sent events that survives lost connections.
//
// EventSource cannot send an Authorization header, so each connection is opened with a ticket. A ticket opens one
// stream, once: EventSource's own reconnecting would use it a second time. Therefore the feed connects again itself,
// with a new ticket and the id of the last event, and nothing is missed.

const NAMES = [
  "ready", "resync_required", "room_closed", "closing",
  "task_created", "task_updated", "task_deleted", "tasks_bulk_updated", "tasks_bulk_deleted",
  "project_created", "project_updated", "project_deleted", "project_member_added", "project_member_removed",
  "category_created", "category_updated", "category_deleted",
  "notification", "notifications_read", "job_progress", "user_joined", "user_left",
];
const FIRST_DELAY = 1_000;
const LONGEST_DELAY = 30_000;

export class Feed {
  #session;
  #rooms;
  #last;
  #listener;
  #source = null;
  #timer = 0;
  #failures = 0;
  #isClosed = false;

  /**
   * Follow `rooms` from after the event `since` on, which is the X-Event-Cursor of the data that is shown.
   *
   * `listener` has `onEvent(name, payload)`, `onState("connecting" | "live" | "waiting")` and `onRefused()`, which is
   * called when the server does not let us in: EventSource does not tell why.
   */
  constructor(session, rooms, since, listener) {
    this.#session = session;
    this.#rooms = rooms;
    this.#last = since;
    this.#listener = listener;
    addEventListener("online", this.#connectNow);
    this.#connect();
  }

  close() {
    this.#isClosed = true;
    removeEventListener("online", this.#connectNow);
    clearTimeout(this.#timer);
    this.#source?.close();
  }

  #connectNow = () => {
    if (!this.#timer) return;
    clearTimeout(this.#timer);
    this.#connect();
  };

  async #connect() {
    this.#timer = 0;
    this.#listener.onState("connecting");
    let ticket;
    try {
      ({ ticket } = (await this.#session.request("POST", "/api/events/ticket/")).data);
    } catch (error) {
      // The session says itself when it is over; anything else may pass.
      console.info("No ticket:", error.message);
      this.#retry();
      return;
    }
    if (this.#isClosed) return;
    const query = new URLSearchParams({ rooms: this.#rooms.join(","), last_event_id: this.#last, ticket });
    const source = (this.#source = new EventSource(`/api/events/?${query}`));
    for (const name of NAMES) source.addEventListener(name, (event) => this.#hear(name, event));
    source.onerror = () => {
      // An answer that is no stream closes the source; a lost connection would be tried again, with the used ticket.
      const isRefused = source.readyState === EventSource.CLOSED;
      source.close();
      if (isRefused) this.#listener.onRefused();
      this.#retry();
    };
  }

  #hear(name, event) {
    // Events come in the order of their ids; what is no event of the log leaves the id as it is.
    if (event.lastEventId) this.#last = Number(event.lastEventId);
    if (name === "ready") {
      this.#failures = 0;
      this.#listener.onState("live");
    }
    this.#listener.onEvent(name, JSON.parse(event.data));
  }

  #retry() {
    if (this.#isClosed) return;
    this.#listener.onState("waiting");
    // Longer each time, and not all clients in the same moment.
    const delay = Math.min(LONGEST_DELAY, FIRST_DELAY * 2 ** this.#failures++) * (0.5 + Math.random() / 2);
    this.#timer = setTimeout(() => this.#connect(), delay);
  }
}
