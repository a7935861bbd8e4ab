// Runs the GraphQL-over-HTTP audit suite against a server that is already up.
//
//   node audit.mjs URL [TOKEN]
//
// A failed MUST or SHOULD fails the run. A failed MAY is named but allowed: those are
// choices the specification leaves to the server.

import { serverAudits } from 'graphql-http';

const [url, token] = process.argv.slice(2);
if (!url) {
  console.error('usage: node audit.mjs URL [TOKEN]');
  process.exit(2);
}

/** The suite's own requests, signed when there is a token, and never left hanging. */
function request(address, init = {}) {
  const headers = new Headers(init.headers);
  if (token) headers.set('authorization', `Bearer ${token}`);
  return fetch(address, { ...init, headers, signal: AbortSignal.timeout(10_000) });
}

/** An audit throws only when the server could not be asked at all, which fails any level. */
async function outcome(audit) {
  try {
    return await audit.fn();
  } catch (error) {
    const reason = [error, error.cause].filter(Boolean).map(String).join(': ');
    return { id: audit.id, name: audit.name, status: 'error', reason };
  }
}

let passed = 0;
let failed = 0;
for (const audit of serverAudits({ url, fetchFn: request })) {
  const result = await outcome(audit);
  if (result.status === 'ok') {
    passed += 1;
  } else if (result.status === 'notice') {
    console.log(`allowed ${result.id} ${result.name}: ${result.reason}`);
  } else {
    failed += 1;
    console.log(`FAILED  ${result.id} ${result.name}: ${result.reason}`);
    if (result.response) console.log(`        ${await described(result.response)}`);
  }
}
console.log(`${passed} passed, ${failed} failed`);
// The exit code is set, not forced, so that a piped standard output is written in full.
process.exitCode = failed > 0 || passed === 0 ? 1 : 0;

/** What the server said, short enough for one line. The suite may have read the body already. */
async function described(response) {
  const type = response.headers.get('content-type') ?? 'no content type';
  const body = response.bodyUsed ? '' : (await response.text()).slice(0, 200);
  return [response.status, type, body].filter(Boolean).join(' ');
}
