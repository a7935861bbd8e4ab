// Webhooks that a hub sends, judged by the packages with which those who get them check signatures: before, while and
// after the secret rotates.
//
//   node outbound.mjs PORTOLAN

import { createPublicKey, verify } from 'node:crypto';
import { createServer } from 'node:http';
import { Webhook as Standard } from 'standardwebhooks';
import { Webhook as Svix } from 'svix';
import { Hub } from './hub.mjs';

const [program] = process.argv.slice(2);
if (!program) {
  console.error('usage: node outbound.mjs PORTOLAN');
  process.exit(2);
}

const came = [];
const server = createServer((request, response) => {
  const parts = [];
  request.on('data', (part) => parts.push(part));
  request.on('end', () => {
    came.push({ headers: request.headers, body: Buffer.concat(parts).toString() });
    response.end();
  });
});
await new Promise((listening) => server.listen(0, '127.0.0.1', listening));

let failures = 0;
function expect(holds, what) {
  console.log(`${holds ? 'ok' : 'FAILED'}  ${what}`);
  failures += holds ? 0 : 1;
}

/** Whether a package takes a webhook for genuine under a secret. */
function genuine(Package, secret, { headers, body }) {
  try {
    new Package(secret).verify(body, headers);
    return true;
  } catch {
    return false;
  }
}

/** Whether the signature without a secret is right. */
function signed(publicKey, { headers, body }) {
  const raw = Buffer.from(publicKey.replace('whpk_', ''), 'base64');
  // An Ed25519 key in SPKI is this header and the key.
  const key = createPublicKey({ key: Buffer.concat([Buffer.from('302a300506032b6570032100', 'hex'), raw]), format: 'der', type: 'spki' });
  const text = Buffer.from(`${headers['webhook-id']}.${headers['webhook-timestamp']}.${body}`);
  const offered = headers['webhook-signature'].split(' ').filter((one) => one.startsWith('v1a,'));
  return offered.some((one) => verify(null, text, key, Buffer.from(one.slice(4), 'base64')));
}

const hub = await Hub.start(program, { PORTOLAN_OUTGOING_ALLOW: '127.0.0.0/8' });
try {
  const token = hub.token('admin');
  const errors = 'userErrors { code path message }';
  const url = `http://127.0.0.1:${server.address().port}/hook`;
  const input = { name: 'node', url, events: ['*'], withPublicKey: true };
  const made = (
    await hub.ask(
      token,
      `mutation M($input: CreateWebhookDestinationInput!) {
         createWebhookDestination(input: $input) { destination { id publicKey } secret ${errors} } }`,
      { input },
    )
  ).createWebhookDestination;
  const { id, publicKey } = made.destination;
  async function next() {
    came.length = 0;
    await hub.ask(
      token,
      `mutation T($input: TestWebhookDestinationInput!) {
         testWebhookDestination(input: $input) { attempt { status } ${errors} } }`,
      { input: { id } },
    );
    return came.find(({ body }) => JSON.parse(body).type === 'webhook.test');
  }
  async function rotate(overlap) {
    const rotated = await hub.ask(
      token,
      `mutation R($input: RotateWebhookDestinationInput!) {
         rotateWebhookDestination(input: $input) { destination { publicKey } secret ${errors} } }`,
      { input: { id, overlap } },
    );
    return rotated.rotateWebhookDestination;
  }
  for (const [name, Package] of [['standardwebhooks', Standard], ['svix', Svix]]) {
    const webhook = await next();
    expect(genuine(Package, made.secret, webhook), `${name} takes it under its secret`);
    expect(!genuine(Package, `whsec_${Buffer.alloc(32, 7).toString('base64')}`, webhook), `${name} refuses another secret`);
    const changed = { ...webhook, body: webhook.body.replace('webhook.test', 'webhook.tost') };
    expect(!genuine(Package, made.secret, changed), `${name} refuses another body`);
  }
  expect(signed(publicKey, await next()), 'the public key checks it without a secret');
  const now = await rotate(3600);
  const both = await next();
  for (const [name, Package] of [['standardwebhooks', Standard], ['svix', Svix]]) {
    expect(genuine(Package, made.secret, both), `${name} takes it under the secret before, while both sign`);
    expect(genuine(Package, now.secret, both), `${name} takes it under the new secret, while both sign`);
  }
  expect(signed(publicKey, both) && signed(now.destination.publicKey, both), 'both public keys check it');
  const last = await rotate(0);
  const after = await next();
  expect(!genuine(Standard, now.secret, after) && genuine(Standard, last.secret, after), 'without overlap the new secret alone signs');
} finally {
  await hub.stop();
  server.close();
}
process.exitCode = failures === 0 ? 0 : 1;
