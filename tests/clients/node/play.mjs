// A play in JavaScript: the steps of a script, what the client made of each answer, and what was heard behind them.

import diagnostics from "node:diagnostics_channel";

// Of an answer's headers, those that say something about it to a client or its user.
const HEADERS = ["content-type", "link", "location", "retry-after", "x-github-media-type", "x-ratelimit-limit"];

let heard = "";

const fetched = globalThis.fetch;
globalThis.fetch = async (...asked) => {
  const answer = await fetched(...asked);
  heard += JSON.stringify([...answer.headers]) + (await answer.clone().text());
  return answer;
};
diagnostics.subscribe("http.client.response.finish", ({ response }) => {
  heard += JSON.stringify(response.rawHeaders);
});

export function told(given) {
  const headers = given instanceof Headers ? Object.fromEntries(given) : given;
  return Object.fromEntries(HEADERS.filter((name) => headers[name] !== undefined).map((name) => [name, headers[name]]));
}

export class Player {
  steps = [];

  // `control` is the upstream's own door for tests; `refused` throws what is no answer of the API's.
  constructor(control, shown, refused) {
    Object.assign(this, { control, shown, refused });
    heard = "";
  }

  async step(name, call) {
    let value;
    try {
      value = await call();
    } catch (error) {
      this.steps.push({ name, kind: "error", answer: { class: error.constructor.name, ...this.refused(error) } });
      return undefined;
    }
    const list = Array.isArray(value);
    this.steps.push({ name, kind: list ? "list" : "object", answer: list ? value : this.shown(value) });
    return value;
  }

  async fails(name, call, status, method = "GET", more = {}) {
    // One that asks for fewer calls is left alone by us for as long as it says: here, for no time at all.
    const again = status === 429 ? { retry_after_s: 0 } : {};
    const act = { status, message: `Told to say ${status}.`, ...again, ...more };
    await fetched(`${this.control}/_sandbox/faults`, {
      method: "POST",
      body: JSON.stringify({ act, method, times: null }),
    });
    const value = await this.step(name, call);
    await fetched(`${this.control}/_sandbox/faults`, { method: "DELETE" });
    if (value !== undefined) throw new Error(`${name} did not fail`);
  }

  get played() {
    return { steps: this.steps, heard };
  }
}
