// Checks that a hub accepts the tokens of a real issuer, and refuses those it must.
//
//   node issuer.mjs URL TOKEN     (URL of /graphql, TOKEN of an administrator)
//
// The issuer is oidc-provider on a loopback port, with one key for each algorithm; its tokens are
// those of a program (client credentials), as JWT. The hub must be allowed to call this machine.

import { generateKeyPairSync, randomUUID } from 'node:crypto';
import { createServer } from 'node:http';
import { once } from 'node:events';

import Provider from 'oidc-provider';

const [hub, admin] = process.argv.slice(2);
if (!hub || !admin) {
  console.error('usage: node issuer.mjs URL TOKEN');
  process.exit(2);
}

const algorithms = {
  RS256: ['rsa', { modulusLength: 2048 }],
  ES256: ['ec', { namedCurve: 'P-256' }],
  EdDSA: ['ed25519', {}],
};
const client = { id: 'robot', secret: randomUUID() };

/** A running issuer; its resources are named algorithm:audience. */
async function start() {
  const server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const url = `http://127.0.0.1:${server.address().port}`;
  const keys = Object.entries(algorithms).map(([alg, [kind, options]]) => {
    const { privateKey } = generateKeyPairSync(kind, options);
    return { ...privateKey.export({ format: 'jwk' }), kid: `key-${alg}`, alg, use: 'sig' };
  });
  const provider = new Provider(url, {
    jwks: { keys },
    clients: [
      {
        client_id: client.id,
        client_secret: client.secret,
        grant_types: ['client_credentials'],
        redirect_uris: [],
        response_types: [],
      },
    ],
    cookies: { keys: [randomUUID()] },
    extraTokenClaims: () => ({ roles: ['staff', 'operators'] }),
    features: {
      clientCredentials: { enabled: true },
      devInteractions: { enabled: false },
      resourceIndicators: {
        enabled: true,
        getResourceServerInfo: (_, resource) => {
          const [, alg, audience] = resource.split(':');
          return { scope: '', audience, accessTokenFormat: 'jwt', accessTokenTTL: 600, jwt: { sign: { alg } } };
        },
      },
    },
  });
  const counted = { keys: 0, discovery: 0 };
  const answer = provider.callback();
  server.on('request', (request, response) => {
    if (request.url === '/jwks') counted.keys += 1;
    if (request.url.startsWith('/.well-known/')) counted.discovery += 1;
    answer(request, response);
  });
  return { url, counted, stop: () => server.close() };
}

/** A token of the issuer for an audience, signed with an algorithm. */
async function token(issuer, alg, audience) {
  const body = new URLSearchParams({ grant_type: 'client_credentials', resource: `urn:${alg}:${audience}` });
  const basic = Buffer.from(`${client.id}:${client.secret}`).toString('base64');
  const response = await fetch(`${issuer.url}/token`, {
    method: 'POST',
    headers: { authorization: `Basic ${basic}` },
    body,
    signal: AbortSignal.timeout(10_000),
  });
  const answer = await response.json();
  if (!response.ok) throw new Error(`the issuer gave no token: ${JSON.stringify(answer)}`);
  return answer.access_token;
}

async function ask(bearer, query, variables = {}) {
  const response = await fetch(hub, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${bearer}` },
    body: JSON.stringify({ query, variables }),
    signal: AbortSignal.timeout(20_000),
  });
  return { status: response.status, ...(await response.json()) };
}

const CREATE = `mutation($input: CreateIssuerInput!) {
  createIssuer(input: $input) { issuer { id } userErrors { code path message } }
}`;
const TEST = `mutation($id: ID!) {
  testIssuer(input: { id: $id }) { test { usable problem keys { keyId unusableBecause } } userErrors { code } }
}`;
const DELETE = 'mutation($id: ID!) { deleteIssuer(input: { id: $id }) { deletedId userErrors { code } } }';
const ME = '{ viewer { kind actor role tenant { slug } } }';

let passed = 0;
let failed = 0;
function check(what, holds, seen) {
  if (holds) {
    passed += 1;
  } else {
    failed += 1;
    console.log(`FAILED  ${what}: ${JSON.stringify(seen)}`);
  }
}

/** Refused as a token is that is not valid, and in no other way. */
function refused(what, answer) {
  const codes = answer.errors?.map((error) => error.extensions.code);
  check(what, answer.status === 401 && codes?.join() === 'UNAUTHENTICATED' && answer.data === undefined, answer);
}

const issuer = await start();
try {
  for (const alg of Object.keys(algorithms)) {
    const audience = `portolan-${alg}`;
    refused(`${alg}: a token of an issuer nobody registered`, await ask(await token(issuer, alg, audience), ME));
    const input = {
      name: `Directory ${alg}`,
      iss: issuer.url,
      audience,
      algorithm: alg.toUpperCase(),
      rolesClaim: ['roles'],
      roleMap: [{ value: 'operators', role: 'OPERATOR' }],
    };
    const made = await ask(admin, CREATE, { input });
    const id = made.data?.createIssuer.issuer?.id;
    check(`${alg}: the issuer is registered`, id, made);

    const { test } = (await ask(admin, TEST, { id })).data?.testIssuer ?? {};
    const used = test?.keys.filter((key) => key.unusableBecause === null).map((key) => key.keyId);
    check(`${alg}: its key is found, and only that`, test?.usable && used.join() === `key-${alg}`, test);

    const good = await token(issuer, alg, audience);
    const { viewer } = (await ask(good, ME)).data ?? {};
    const expected = { kind: 'OUTSIDE', actor: `${id}:${client.id}`, role: 'OPERATOR', tenant: { slug: 'default' } };
    check(`${alg}: its token opens the tenant`, JSON.stringify(viewer) === JSON.stringify(expected), viewer);
    const before = { ...issuer.counted };
    for (let times = 0; times < 10; times += 1) await ask(good, ME);
    check(`${alg}: its keys are kept`, JSON.stringify(before) === JSON.stringify(issuer.counted), issuer.counted);

    refused(`${alg}: a token for another audience`, await ask(await token(issuer, alg, 'elsewhere'), ME));
    for (const other of Object.keys(algorithms).filter((name) => name !== alg)) {
      refused(`${alg}: a token signed with ${other}`, await ask(await token(issuer, other, audience), ME));
    }
    const [head, body, signature] = good.split('.');
    refused(`${alg}: a token without signature`, await ask(`${head}.${body}.`, ME));
    refused(`${alg}: a token with another's signature`, await ask(`${head}.${body}.${signature.split('').reverse().join('')}`, ME));

    const gone = await ask(admin, DELETE, { id });
    check(`${alg}: the issuer is forgotten`, gone.data?.deleteIssuer.deletedId === id, gone);
    refused(`${alg}: a token of an issuer that was forgotten`, await ask(good, ME));
  }
} catch (error) {
  check('the run came to its end', false, String(error.stack));
} finally {
  issuer.stop();
}
console.log(`${passed} passed, ${failed} failed`);
process.exit(failed > 0 || passed === 0 ? 1 : 0);
