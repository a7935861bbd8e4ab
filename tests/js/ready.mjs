// Waits until a server says that it is ready.
//
//   node ready.mjs URL [SECONDS]     (default: 60)

import { setTimeout as sleep } from 'node:timers/promises';

const [url, seconds = '60'] = process.argv.slice(2);
if (!url) {
  console.error('usage: node ready.mjs URL [SECONDS]');
  process.exit(2);
}

/** One look at the server; its answer, or why there was none. */
async function look() {
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(2_000) });
    await response.arrayBuffer();
    return { ready: response.ok, said: `answered ${response.status}` };
  } catch (error) {
    return { ready: false, said: String(error.cause ?? error) };
  }
}

const deadline = Date.now() + Number(seconds) * 1_000;
let last = await look();
while (!last.ready && Date.now() < deadline) {
  await sleep(200);
  last = await look();
}
if (!last.ready) console.error(`${url} was not ready within ${seconds} s: ${last.said}`);
process.exitCode = last.ready ? 0 : 1;
