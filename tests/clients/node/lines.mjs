// A line of JSON in, a line of JSON out, until the input ends.

import readline from "node:readline";

export async function answerEachLine(answer) {
  for await (const line of readline.createInterface({ input: process.stdin })) {
    process.stdout.write(JSON.stringify(await answer(JSON.parse(line))) + "\n");
  }
}
