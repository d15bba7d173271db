// stripe-node at work: customers, payments, refunds, files, pages, and an error of each kind.
//
// It knows a host and a port and no path: where doors are paths, a wrapped `fetch` puts the path in front.

import "./localhost.mjs";
import Stripe from "stripe";
import { answerEachLine } from "./lines.mjs";
import { Player, told } from "./play.mjs";

function client(base, key) {
  const { hostname, port, pathname } = new URL(base);
  const below = (url, ...rest) => {
    const asked = new URL(url);
    asked.pathname = pathname + asked.pathname;
    return fetch(asked, ...rest);
  };
  return new Stripe(key, {
    host: hostname,
    port,
    protocol: "http",
    maxNetworkRetries: 0,
    telemetry: false,
    ...(pathname === "/" ? {} : { httpClient: Stripe.createFetchHttpClient(below) }),
  });
}

function shown(value) {
  const { statusCode, requestId, headers } = value.lastResponse;
  return { status: statusCode, "request-id": requestId, data: value, headers: told(headers) };
}

function refused(error) {
  if (!(error instanceof Stripe.errors.StripeError)) throw error;
  const { statusCode, type, code, param, message, headers } = error;
  return { status: statusCode, type, code: code ?? null, param: param ?? null, message, headers: told(headers ?? {}) };
}

async function customers(play, stripe) {
  const made = [];
  for (let n = 0; n < 5; n++) {
    const sent = { email: `${n}@shop.test`, name: "Zoë & Söhne", metadata: { n } };
    made.push(await play.step("create", () => stripe.customers.create(sent)));
  }
  const { id } = made[0];
  await play.step("read", () => stripe.customers.retrieve(id));
  await play.step("update", () => stripe.customers.update(id, { description: "ä+b=c&d", metadata: { tier: "gold" } }));
  await play.step("read again", () => stripe.customers.retrieve(id));
  await play.step("list", () => stripe.customers.list({ limit: 2 }));
  await play.step("paginate", () => stripe.customers.list({ limit: 2 }).autoPagingToArray({ limit: 100 }));
  await play.step("search", () => stripe.customers.search({ query: 'email:"2@shop.test"' }));
  await play.step("delete", () => stripe.customers.del(made[1].id));
  return id;
}

async function payments(play, stripe, customer) {
  const paid = { amount: 2000, currency: "usd", confirm: true, payment_method: "pm_card_visa", expand: ["latest_charge"] };
  const made = await play.step("pay", () => stripe.paymentIntents.create({ ...paid, customer }));
  const charge = made.latest_charge.id;
  await play.step("charge", () => stripe.charges.retrieve(charge));
  const refund = await play.step("refund", () => stripe.refunds.create({ charge, amount: 500 }));
  await play.step("update refund", () => stripe.refunds.update(refund.id, { metadata: { why: "broken" } }));
  await play.step("refunds", () => stripe.refunds.list({ charge }));
  const waiting = await play.step("wait", () => stripe.paymentIntents.create({ amount: 300, currency: "eur" }));
  await play.step("cancel", () => stripe.paymentIntents.cancel(waiting.id));
  await play.step("cancel again", () => stripe.paymentIntents.cancel(waiting.id));
  // Another amount: the same once more within a day would be a duplicate, whichever card it is on.
  const failing = { ...paid, amount: 2100, payment_method: "pm_card_chargeCustomerFail", customer };
  await play.step("402", () => stripe.paymentIntents.create(failing));
}

async function failures(play, stripe, customer) {
  await play.step("400", () => stripe.customers.create({ balance: "much" }));
  await play.step("404", () => stripe.customers.retrieve("cus_missing"));
  for (const status of [500, 502, 503]) {
    await play.fails(`${status} of a read`, () => stripe.customers.retrieve(customer), status);
  }
  for (const status of [400, 403, 409, 429]) {
    const more = { kind: "invalid_request_error" };
    await play.fails(`${status} of a write`, () => stripe.customers.update(customer, { name: "never" }), status, "POST", more);
  }
  await play.step("after all", () => stripe.customers.retrieve(customer));
}

async function ours(play, stripe) {
  await play.step("not allowed", () => stripe.prices.create({ currency: "usd", unit_amount: 1 }));
  await play.fails("in doubt", () => stripe.customers.create({ name: "twice" }), 500, "POST");
}

await answerEachLine(async ({ base, bases, key, control, only }) => {
  const stripe = client(base, key);
  const play = new Player(control, shown, refused);
  if (only === "ours") {
    await ours(play, stripe);
    return play.played;
  }
  const customer = await customers(play, stripe);
  await payments(play, stripe, customer);
  const file = { data: Buffer.from("\0evidence\r\n--not a boundary\r\n"), name: "evidence.png", type: "image/png" };
  const upload = { purpose: "dispute_evidence", file };
  await play.step("upload", () => client(bases[".files"], key).files.create(upload));
  await failures(play, stripe, customer);
  return play.played;
});
