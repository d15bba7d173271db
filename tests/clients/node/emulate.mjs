// Two GitHubs of emulate, another author's fake, in one process: one whose answers name itself, one whose bodies name
// the real GitHub as its own answers do.
//
// As shipped it listens on every interface; here each listens on a free port of loopback. It also orders by the
// millisecond in which something was made, so that two recordings of one script could differ; here every look at the
// clock is a second later than the one before.

import http from "node:http";
import { createEmulator } from "emulate";
import { answerEachLine } from "./lines.mjs";

const RealDate = Date;
const begun = RealDate.UTC(2026, 0, 1);
let moment = begun;
globalThis.Date = class extends RealDate {
  constructor(...given) {
    super(...(given.length ? given : [(moment += 1000)]));
  }
  static now() {
    return (moment += 1000);
  }
};

let front;
http.Server.prototype.listen = function () {
  front.on("request", (asked, answer) => this.emit("request", asked, answer));
  return this;
};
const listen = Object.getPrototypeOf(http.Server.prototype).listen;

async function started(seed, baseUrl) {
  const own = new http.Server();
  await new Promise((ready) => listen.call(own, 0, "127.0.0.1", ready));
  front = own;
  const emulator = await createEmulator({ service: "github", port: own.address().port, seed, baseUrl });
  return { emulator, own, url: `http://127.0.0.1:${own.address().port}` };
}

const running = [];

await answerEachLine(async ({ seed, bases }) => {
  if (seed) {
    for (const base of bases) running.push(await started(seed, base));
  } else {
    moment = begun;
    for (const { emulator } of running) emulator.reset();
  }
  return running.map(({ url }) => url);
});
for (const { own } of running) {
  own.close();
  own.closeAllConnections();
}
