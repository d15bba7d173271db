// Each client for JavaScript with a token in its key's place: one call, and what became of it.

import "./localhost.mjs";
import { Octokit } from "@octokit/rest";
import Stripe from "stripe";
import { answerEachLine } from "./lines.mjs";

const SILENT = { debug() {}, info() {}, warn() {}, error() {} };

const CLIENTS = {
  octokit: async ({ base, key }) => {
    const { rest } = new Octokit({ auth: key, baseUrl: base, log: SILENT });
    return (await rest.users.getAuthenticated()).status;
  },
  stripe: async ({ base, key }) => {
    const { hostname, port } = new URL(base);
    const client = new Stripe(key, { host: hostname, port, protocol: "http", maxNetworkRetries: 0, telemetry: false });
    return (await client.customers.list()).lastResponse.statusCode;
  },
};

await answerEachLine(async (asked) => {
  try {
    return { heard: "", status: await CLIENTS[asked.client](asked) };
  } catch (error) {
    return { heard: "", status: error.status ?? error.statusCode ?? String(error) };
  }
});
