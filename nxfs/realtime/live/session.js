// Who is signed in, and requests in their name. The tokens are kept in memory only: no other page and no later visitor
// of this browser can read them.

const LEAD_SECONDS = 60;

/** A failure that the server has explained: `message` is a sentence to show, `fields` has sentences by field. */
export class APIError extends Error {
  constructor(status, body) {
    super(body.error.message);
    this.status = status;
    this.code = body.error.code;
    this.fields = body.error.field_errors ?? {};
  }
}

/** The server could not be reached, or something on the way to it answered in its place. */
export class Unreachable extends Error {}

/** A signed-in user. `onEnd` is called once, with the reason, when the session is over and not by `signOut`. */
export class Session {
  user;
  onEnd = () => {};
  #access;
  #refresh;
  #renewing = null;
  #timer = 0;
  #isOver = false;

  /** Sign in with an e-mail address or a username. */
  static async signIn(name, password) {
    const { data } = await send("POST", "/api/auth/token/", { body: { email: name, password } });
    const session = new Session();
    session.user = data.user;
    session.#take(data);
    return session;
  }

  /** Send a request and return `{data, headers}`; an access token that has run out is renewed first. */
  async request(method, path, options = {}) {
    const token = this.#access;
    try {
      return await send(method, path, { ...options, token });
    } catch (error) {
      if (error.status !== 401) throw error;
      // Another request may have renewed it in the meantime.
      if (token === this.#access) await this.#renew();
      return send(method, path, { ...options, token: this.#access });
    }
  }

  get(path) {
    return this.request("GET", path);
  }

  /** End the session here and on the server. */
  async signOut() {
    const token = this.#access;
    this.#close();
    await send("POST", "/api/auth/logout/", { body: {}, token });
  }

  /** Take note that the session is over. */
  end(reason) {
    if (this.#isOver) return;
    this.#close();
    this.onEnd(reason);
  }

  #close() {
    this.#isOver = true;
    clearTimeout(this.#timer);
    this.#access = this.#refresh = undefined;
  }

  #take({ access, refresh }) {
    this.#access = access;
    this.#refresh = refresh;
    // How long it lives, not until when: this computer's clock may be wrong.
    const { exp, iat } = JSON.parse(atob(access.split(".")[1].replace(/-/g, "+").replace(/_/g, "/")));
    const seconds = Math.max(exp - iat - LEAD_SECONDS, (exp - iat) / 2);
    clearTimeout(this.#timer);
    // When the server cannot be reached now, the next request tries again.
    this.#timer = setTimeout(() => this.#renew().catch((error) => console.info("Not renewed yet:", error.message)), seconds * 1000);
  }

  /** Exchange the refresh token, once for all who ask at the same time. */
  #renew() {
    this.#renewing ??= this.#exchange().finally(() => (this.#renewing = null));
    return this.#renewing;
  }

  async #exchange() {
    try {
      const { data } = await send("POST", "/api/auth/token/refresh/", { body: { refresh: this.#refresh } });
      if (!this.#isOver) this.#take(data);
    } catch (error) {
      if (error.status === 401) this.end(error.message);
      throw error;
    }
  }
}

async function send(method, path, { body, token, headers = {} }) {
  const sent = { Accept: "application/json", ...headers };
  if (token) sent.Authorization = `Bearer ${token}`;
  if (body !== undefined) sent["Content-Type"] = "application/json";
  let response, data;
  try {
    response = await fetch(path, { method, headers: sent, body: body === undefined ? undefined : JSON.stringify(body) });
    data = response.status === 204 ? null : await response.json();
  } catch (error) {
    throw new Unreachable(error.message);
  }
  if (response.ok) return { data, headers: response.headers };
  throw data?.error ? new APIError(response.status, data) : new Unreachable(response.statusText);
}
