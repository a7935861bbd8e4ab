// A hub connects to a real OpenID provider: a person agrees (authorization code with PKCE), tokens are refreshed and
// rotate, a program gets its own (client credentials), and what the provider revokes is told.
//
//   node authorize.mjs PORTOLAN     (the binary; it is served on a port and a folder of its own)
//
// The provider is oidc-provider on a loopback port. It tells by itself when a refresh token is brought twice, and
// revokes everything then.

import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { copyFileSync, mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import Provider from 'oidc-provider';

import { Hub } from './hub.mjs';

const [program] = process.argv.slice(2);
if (!program) {
  console.error('usage: node authorize.mjs PORTOLAN');
  process.exit(2);
}

/** How long an access token lives, in seconds. */
const LIFE = 4;

let [passed, failed] = [0, 0];
function check(rule, holds, found) {
  if (holds) passed += 1;
  else {
    failed += 1;
    console.log(`failed: ${rule}`, JSON.stringify(found));
  }
}

const secrets = { hub: randomUUID(), robot: randomUUID() };

/** A running provider at which everybody agrees. */
async function start(callback) {
  const server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const url = `http://127.0.0.1:${server.address().port}`;
  const counted = { refreshes: 0, errors: [] };
  const refreshTokens = new Map();
  const provider = new Provider(url, {
    clients: [
      {
        client_id: 'hub',
        client_secret: secrets.hub,
        grant_types: ['authorization_code', 'refresh_token'],
        redirect_uris: [callback],
        response_types: ['code'],
      },
      {
        client_id: 'robot',
        client_secret: secrets.robot,
        grant_types: ['client_credentials'],
        redirect_uris: [],
        response_types: [],
      },
    ],
    cookies: { keys: [randomUUID()] },
    pkce: { required: () => true },
    rotateRefreshToken: () => true,
    ttl: { AccessToken: LIFE, ClientCredentials: LIFE, RefreshToken: 3600, Grant: 3600, Session: 3600, Interaction: 600 },
    findAccount: (_, id) => ({ accountId: id, claims: () => ({ sub: id }) }),
    interactions: { url: (_, interaction) => `/agree/${interaction.uid}` },
    features: { clientCredentials: { enabled: true }, devInteractions: { enabled: false } },
  });
  provider.on('refresh_token.saved', (token) => refreshTokens.set(token.jti, token));
  provider.on('grant.success', (ctx) => {
    if (ctx.oidc.params.grant_type === 'refresh_token') counted.refreshes += 1;
  });
  provider.on('grant.error', (_, error) => counted.errors.push(error.message));
  const answer = provider.callback();
  server.on('request', async (request, response) => {
    if (request.url.startsWith('/agree/')) return agree(provider, request, response);
    if (request.url === '/whoami') return whoami(provider, request, response);
    return answer(request, response);
  });
  const revoke = () => Promise.all([...refreshTokens.values()].map((token) => token.destroy()));
  return { url, counted, revoke, stop: () => server.close() };
}

/** The person signs in and agrees to everything. */
async function agree(provider, request, response) {
  const { prompt, params, session, grantId } = await provider.interactionDetails(request, response);
  if (prompt.name === 'login') {
    return provider.interactionFinished(request, response, { login: { accountId: 'ann' } });
  }
  const grant = grantId
    ? await provider.Grant.find(grantId)
    : new provider.Grant({ accountId: session.accountId, clientId: params.client_id });
  grant.addOIDCScope('openid offline_access');
  const consent = { grantId: await grant.save() };
  return provider.interactionFinished(request, response, { consent }, { mergeWithLastSubmission: true });
}

/** Says whom a token is for; it has to be alive. */
async function whoami(provider, request, response) {
  const [, sent] = (request.headers.authorization ?? '').split(' ');
  const token = sent && ((await provider.AccessToken.find(sent)) ?? (await provider.ClientCredentials.find(sent)));
  response.writeHead(token ? 200 : 401, { 'content-type': 'application/json' });
  response.end(JSON.stringify(token ? { client: token.clientId } : { error: 'invalid_token' }));
}

/** Goes where a browser goes, with its cookies, until it is sent to the hub. */
async function browse(from, callback) {
  const jar = new Map();
  let url = from;
  for (let hops = 0; hops < 12; hops += 1) {
    const cookie = [...jar].map(([name, value]) => `${name}=${value}`).join('; ');
    const response = await fetch(url, { redirect: 'manual', headers: { cookie } });
    for (const line of response.headers.getSetCookie()) {
      const [pair] = line.split(';');
      const at = pair.indexOf('=');
      jar.set(pair.slice(0, at), pair.slice(at + 1));
    }
    const next = response.headers.get('location');
    if (!next) throw new Error(`the provider stopped at ${url}: ${response.status} ${await response.text()}`);
    url = new URL(next, url).toString();
    if (url.startsWith(callback)) return url;
  }
  throw new Error('the provider sends the person in circles');
}

const files = mkdtempSync(join(tmpdir(), 'portolan-oidc-'));
copyFileSync(new URL('./oidc.toml', import.meta.url), join(files, 'oidc.toml'));
const hub = await Hub.start(program, {
  PORTOLAN_PROVIDERS_DIR: files,
  PORTOLAN_OUTGOING_ALLOW: '127.0.0.1',
  PORTOLAN_GRAPHQL_COST_PER_MINUTE: '0',
  PORTOLAN_GRAPHQL_OPERATION_TIMEOUT: '40s',
  PORTOLAN_HTTP_REQUEST_TIMEOUT: '60s',
});
const callback = `http://${hub.host}/oauth/callback`;
const provider = await start(callback);
const admin = hub.token('admin');

const CREATE = `mutation($i: CreateIntegrationInput!) {
  createIntegration(input: $i) { integration { id status account } userErrors { code path message } }
}`;
const START = 'mutation($id: ID!) { startOAuth(input: { id: $id }) { url userErrors { message } } }';
const RUN = `mutation($id: ID!) {
  runAction(input: { integrationId: $id, action: "whoami" }) { result userErrors { code message } }
}`;
const STATUS =
  'query($id: ID!) { integration(id: $id) { status errorMessage credential { tokenExpiresAt refreshable refusedBecause } } }';
const APP = `mutation($s: String!) {
  setProviderApp(input: { provider: "oidc", fields: [{ name: "client_id", value: "hub" }, { name: "client_secret", value: $s }] }) {
    userErrors { message }
  }
}`;
const settings = [{ name: 'issuer', value: provider.url }];
const back = async (url) => (await fetch(url, { redirect: 'manual' })).headers.get('location');
const status = async (id) => (await hub.ask(admin, STATUS, { id })).integration;

try {
  const app = await hub.ask(admin, APP, { s: secrets.hub });
  check('the application is registered', app.setProviderApp.userErrors.length === 0, app);
  const person = (await hub.ask(admin, CREATE, { i: { provider: 'oidc', authMethod: 'person', settings } })).createIntegration;
  check('an integration waits for a person', person.integration?.status === 'PENDING', person);
  const { id } = person.integration;

  const { url } = (await hub.ask(admin, START, { id })).startOAuth;
  const asked = new URL(url).searchParams;
  check('PKCE is asked for', asked.get('code_challenge_method') === 'S256' && asked.get('code_challenge'), url);
  check('the way back is ours', asked.get('redirect_uri') === callback, url);
  const returned = await browse(url, callback);
  check('a provider that says who it is (RFC 9207)', new URL(returned).searchParams.get('iss') === provider.url, returned);
  check('mixed up issuers are refused', (await back(returned.replace(/iss=[^&]*/, 'iss=https%3A%2F%2Fevil.example'))).startsWith('/#/refused/'));
  const again = await browse((await hub.ask(admin, START, { id })).startOAuth.url, callback);
  const place = await back(again);
  check('a person who agreed comes back connected', place === `/#/connected/${id}`, place);
  check('a code serves once', (await back(again)).startsWith('/#/refused/'));
  check('it is active', (await status(id)).status === 'ACTIVE', await status(id));

  // Tokens end every few seconds; twenty callers at once each time.
  for (let round = 0; round < 4; round += 1) {
    await sleep(LIFE * 1000 + 200);
    const before = provider.counted.refreshes;
    const all = await Promise.all(Array.from({ length: 20 }, () => hub.ask(admin, RUN, { id })));
    const right = all.filter(({ runAction }) => runAction.result?.client === 'hub').length;
    check('everybody is served with a token that was refreshed', right === 20, all.map(({ runAction }) => runAction.userErrors));
    check('refreshed once, or once more ahead', provider.counted.refreshes - before <= 2, provider.counted);
  }
  check('no refresh token was brought twice', provider.counted.errors.length === 0, provider.counted.errors);

  const robot = { clientId: 'robot', clientSecret: secrets.robot };
  const machine = (await hub.ask(admin, CREATE, { i: { provider: 'oidc', settings, credentials: { oauth2: robot } } })).createIntegration;
  check('a program is connected at once', machine.integration?.status === 'ACTIVE' && machine.integration.account === 'robot', machine);
  await sleep(LIFE * 1000 + 200);
  const ran = (await hub.ask(admin, RUN, { id: machine.integration.id })).runAction;
  check('a program gets its next token', ran.result?.client === 'robot', ran);
  const wrong = { clientId: 'robot', clientSecret: randomUUID() };
  const refused = (await hub.ask(admin, CREATE, { i: { provider: 'oidc', settings, credentials: { oauth2: wrong } } })).createIntegration;
  check('a wrong secret is refused with the provider’s words', refused.userErrors[0]?.code === 'PROVIDER_REJECTED', refused);

  await provider.revoke();
  await sleep(LIFE * 1000 + 200);
  const revoked = (await hub.ask(admin, RUN, { id })).runAction;
  check('what was revoked cannot be used', revoked.result === null && revoked.userErrors[0]?.code === 'CONFLICT', revoked);
  check('and needs somebody', (await status(id)).status === 'NEEDS_REAUTH', await status(id));
  const anew = await browse((await hub.ask(admin, START, { id })).startOAuth.url, callback);
  check('who agrees again', (await back(anew)) === `/#/connected/${id}`);
  check('mends it', (await hub.ask(admin, RUN, { id })).runAction.result?.client === 'hub');
} finally {
  provider.stop();
  await hub.stop();
  rmSync(files, { recursive: true, force: true });
}
console.log(`authorize: ${passed} passed, ${failed} failed`);
process.exit(failed > 0 ? 1 : 0);
