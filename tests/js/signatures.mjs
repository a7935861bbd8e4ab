// The vendors' own SDKs against our webhook signatures, both ways.
//
//   node signatures.mjs make              print webhooks that the SDKs signed (src/provider/webhook/tests/sdk.json)
//   node signatures.mjs check PORTOLAN    have the simulator of that binary send webhooks; the SDKs verify them

import { spawn } from 'node:child_process';
import { createServer } from 'node:http';
import { createRequire } from 'node:module';
import { createInterface } from 'node:readline';
import { EventWebhook } from '@sendgrid/eventwebhook';
import '@shopify/shopify-api/adapters/node';
import { shopifyApi } from '@shopify/shopify-api';
import { createSHA256HMAC } from '@shopify/shopify-api/runtime';
import { Webhook } from 'standardwebhooks';
import Stripe from 'stripe';
import twilio from 'twilio';

const require = createRequire(import.meta.url);
const { readFileSync } = require('node:fs');
const root = new URL('../../', import.meta.url);

// The made-up secrets of the providers' files.
const secret = {
  stripe: 'whsec_ExampleExampleExample',
  shopify: 'shpss_0123456789abcdef0123456789abcdef',
  twilio: 'fedcba9876543210fedcba9876543210',
  standard: 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw',
};
const when = new Date('2026-11-21T10:00:00Z');
const stamp = Math.floor(when.getTime() / 1000);

/** Webhooks that the SDKs signed, at a fixed time. */
async function make() {
  const stripe = new Stripe('sk_test_x');
  const body = JSON.stringify({ id: 'evt_1', type: 'payment_intent.succeeded', data: { object: { id: 'pi_é' } } });
  const url = 'https://hub.example.com/hooks/src_1?x=1';
  const form = { MessageSid: 'SM1', AccountSid: 'AC1', Body: 'Hello & goodbye é', From: '+971500000000', Empty: '' };
  const { getExpectedTwilioSignature, getExpectedBodyHash } = require('twilio/lib/webhooks/webhooks');
  const hashed = `${url}&bodySHA256=${getExpectedBodyHash(body)}`;
  const events = '[{"event":"delivered","sg_event_id":"1","timestamp":1795255200}]\r\n';
  const stark = createRequire(require.resolve('@sendgrid/eventwebhook'))('starkbank-ecdsa');
  // starkbank-ecdsa reads keys in the form of SEC 1.
  const { createPrivateKey } = require('node:crypto');
  const pem = readFileSync(new URL('src/provider/simulator/keys/p256.pem', root), 'utf8');
  const key = stark.PrivateKey.fromPem(createPrivateKey(pem).export({ type: 'sec1', format: 'pem' }));
  return [
    {
      provider: 'stripe',
      url,
      headers: { 'stripe-signature': stripe.webhooks.generateTestHeaderString({ payload: body, secret: secret.stripe, timestamp: stamp }) },
      body,
    },
    {
      provider: 'twilio',
      url,
      headers: {
        'content-type': 'application/x-www-form-urlencoded',
        'x-twilio-signature': getExpectedTwilioSignature(secret.twilio, url, form),
      },
      body: new URLSearchParams(form).toString(),
    },
    {
      provider: 'twilio',
      url: hashed,
      headers: { 'content-type': 'application/json', 'x-twilio-signature': getExpectedTwilioSignature(secret.twilio, hashed, {}) },
      body,
    },
    {
      provider: 'custom_rest',
      url,
      headers: {
        'webhook-id': 'msg_1',
        'webhook-timestamp': String(stamp),
        'webhook-signature': new Webhook(secret.standard).sign('msg_1', when, body),
      },
      body,
    },
    {
      provider: 'shopify',
      url,
      headers: { 'x-shopify-hmac-sha256': await createSHA256HMAC(secret.shopify, body) },
      body,
    },
    {
      provider: 'sendgrid',
      url,
      headers: {
        'x-twilio-email-event-webhook-timestamp': String(stamp),
        'x-twilio-email-event-webhook-signature': stark.Ecdsa.sign(`${stamp}${events}`, key).toBase64(),
      },
      body: events,
    },
  ];
}

/** Whether the provider's SDK takes a webhook for genuine. */
async function genuine(provider, request, body, url) {
  const { headers } = request;
  switch (provider) {
    case 'stripe':
      return Boolean(new Stripe('sk_test_x').webhooks.constructEvent(body, headers['stripe-signature'], secret.stripe));
    case 'custom_rest':
      return Boolean(new Webhook(secret.standard).verify(body, headers));
    case 'twilio':
      return twilio.validateRequest(
        secret.twilio,
        headers['x-twilio-signature'],
        url,
        Object.fromEntries(new URLSearchParams(body)),
      );
    case 'sendgrid': {
      const webhook = new EventWebhook();
      const toml = readFileSync(new URL('src/provider/catalogue/sendgrid.toml', root), 'utf8');
      const key = webhook.convertPublicKeyToECDSA(/example = "(MFkw[^"]+)"/.exec(toml)[1]);
      return webhook.verifySignature(
        key,
        body,
        headers['x-twilio-email-event-webhook-signature'],
        headers['x-twilio-email-event-webhook-timestamp'],
      );
    }
    case 'shopify': {
      const shopify = shopifyApi({
        apiKey: 'key',
        apiSecretKey: secret.shopify,
        scopes: ['read_orders'],
        hostName: 'hub.example.com',
        apiVersion: '2026-10',
        isEmbeddedApp: false,
        logger: { level: 0 },
      });
      return (await shopify.webhooks.validate({ rawBody: body, rawRequest: request })).valid;
    }
    default:
      throw new Error(`no SDK for ${provider}`);
  }
}

/** Has the simulator send, right and wrong, and lets the SDKs judge. */
async function check(binary) {
  const providers = ['stripe', 'shopify', 'twilio', 'sendgrid', 'custom_rest'];
  const simulator = spawn(binary, ['provider', 'simulate', ...providers, '--port', '0'], { stdio: ['ignore', 'pipe', 'inherit'] });
  let failures = 0;
  const verdicts = [];
  const server = createServer((request, response) => {
    const parts = [];
    request.on('data', (part) => parts.push(part));
    request.on('end', async () => {
      const [, provider] = request.url.split(/[/?]/);
      const url = `http://127.0.0.1:${server.address().port}${request.url}`;
      const verdict = await genuine(provider, request, Buffer.concat(parts).toString(), url).catch(() => false);
      verdicts.push(verdict);
      response.end();
    });
  });
  try {
    await new Promise((listening) => server.listen(0, '127.0.0.1', listening));
    let origin;
    for await (const line of createInterface({ input: simulator.stdout })) {
      origin = /http:\/\/127\.0\.0\.1:\d+/.exec(line)[0];
      if (line.startsWith('twilio')) break;
    }
    for (const provider of providers) {
      for (const [how, expected] of [['right', true], ['wrong_secret', false]]) {
        verdicts.length = 0;
        const url = `http://127.0.0.1:${server.address().port}/${provider}`;
        const asked = await fetch(`${origin}/_control/${provider}/webhooks`, {
          method: 'POST',
          headers: { 'content-type': 'application/json' },
          body: JSON.stringify({ url, how, count: 3 }),
        });
        if (!asked.ok) throw new Error(await asked.text());
        const good = verdicts.length === 3 && verdicts.every((verdict) => verdict === expected);
        console.log(`${good ? 'ok' : 'FAILED'}  ${provider} ${how}: the SDK said ${verdicts.join(', ')}`);
        failures += good ? 0 : 1;
      }
    }
  } finally {
    simulator.kill();
    server.close();
  }
  return failures;
}

const [mode, binary] = process.argv.slice(2);
if (mode === 'make') {
  console.log(JSON.stringify(await make(), null, 2));
} else if (mode === 'check' && binary) {
  process.exitCode = (await check(binary)) === 0 ? 0 : 1;
} else {
  console.error('usage: node signatures.mjs make | check PORTOLAN');
  process.exitCode = 2;
}
