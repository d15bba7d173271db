// The SDKs in JavaScript making one thing, with the retries that they ship with: only the pauses between them are short.

import { retry } from "@octokit/plugin-retry";
import { Octokit } from "@octokit/rest";
import Stripe from "stripe";
import { answerEachLine } from "./lines.mjs";

const PAUSE_S = 0.005;
const silent = { debug() {}, info() {}, warn() {}, error() {} };

function stripe({ base, key, patience_s }) {
  const { hostname, port } = new URL(base);
  const made = new Stripe(key, { host: hostname, port, protocol: "http", telemetry: false, timeout: patience_s * 1000 });
  made.getInitialNetworkRetryDelay = made.getMaxNetworkRetryDelay = () => PAUSE_S;
  return async (name) => (await made.customers.create({ name })).name;
}

function octokit({ base, key, patience_s }, Class, more = {}) {
  const patient = (url, options) => fetch(url, { ...options, signal: AbortSignal.timeout(patience_s * 1000) });
  const { rest } = new Class({ auth: key, baseUrl: base, log: silent, request: { fetch: patient }, ...more });
  return async (title) => (await rest.issues.create({ owner: "ada", repo: "engine", title })).data.title;
}

const CLIENTS = {
  "stripe-node": (door) => stripe(door),
  "octokit": (door) => octokit(door, Octokit),
  "octokit with plugin-retry": (door) =>
    octokit(door, Octokit.plugin(retry), { retry: { retryAfterBaseValue: PAUSE_S * 1000 } }),
};

await answerEachLine(async ({ client, name, ...door }) => {
  try {
    return { made: await CLIENTS[client](door)(name) };
  } catch (error) {
    const { message, status, statusCode, code, response } = error;
    const heard = JSON.stringify({ message, status: status ?? statusCode, code, data: response?.data });
    return { made: null, error: `${error.constructor.name} ${heard}` };
  }
});
