// Uses the playground as a person does, in a browser, against a server that is up.
//
//   node browser.mjs ORIGIN        (TOKEN: of an administrator; CHROMIUM: the program; SCREENSHOTS: a folder)
//
// A query, and a subscription over each transport that sees what a mutation causes; signing in by keyboard;
// links; where the token is kept and where it is not. At the end: no request to another host, nothing in the
// console, no breach of the policy, nothing that axe finds in our own parts.

import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { findings, launch, session } from './chromium.mjs';

const [origin] = process.argv.slice(2);
const { TOKEN: token, CHROMIUM: program = '/usr/bin/chromium', SCREENSHOTS: shots } = process.env;
if (!origin || !token) {
  console.error('usage: TOKEN=… node browser.mjs ORIGIN');
  process.exit(2);
}
if (shots) mkdirSync(shots, { recursive: true });

const PERSON = { email: `ada-${Date.now()}@example.com`, password: 'correct horse battery' };
let made = 0;

/** Asks the API beside the browser. */
async function ask(query, variables) {
  const response = await fetch(`${origin}/graphql`, {
    method: 'POST',
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    body: JSON.stringify({ query, variables }),
    signal: AbortSignal.timeout(10_000),
  });
  const { data, errors } = await response.json();
  assert.equal(errors, undefined, JSON.stringify(errors));
  return data;
}

/** Makes a person who can sign in. */
async function invite() {
  const invite = 'mutation($input: InviteMemberInput!) { inviteMember(input: $input) { token userErrors { message } } }';
  const { inviteMember } = await ask(invite, { input: { email: PERSON.email, role: 'ADMIN' } });
  const accept = 'mutation($input: AcceptInvitationInput!) { acceptInvitation(input: $input) { userErrors { message } } }';
  const input = { token: inviteMember.token, name: 'Ada', password: PERSON.password };
  const { acceptInvitation } = await ask(accept, { input });
  assert.deepEqual(acceptInvitation.userErrors, []);
}

/** Causes an event, and says whom it is about. */
async function cause() {
  const create = 'mutation($name: String!) { createApiToken(input: { name: $name, role: VIEWER }) { apiToken { id } } }';
  made += 1;
  return (await ask(create, { name: `browser test ${made}` })).createApiToken.apiToken.id;
}

const browser = await launch(program);
const { context, breaches, asked } = await session(browser, origin);
const page = await context.newPage();
// The page's clock goes as ours does, until it is put forward.
await page.clock.install();
const steps = [];

async function step(name, run) {
  await run();
  steps.push(name);
  console.log(`ok ${name}`);
  if (shots) await page.screenshot({ path: `${shots}/${steps.length}.png` });
}

/** Waits until the answer on the screen has these words. */
async function answered(...words) {
  const shown = page.locator('.result-window .view-lines');
  const text = async () => (await shown.innerText()).replaceAll('\u00a0', ' ');
  for (let tries = 0; tries < 300; tries += 1) {
    const said = await text();
    if (words.every((word) => said.includes(word))) return said;
    await sleep(100);
  }
  assert.fail(`waited in vain for ${words.join(', ')}; the answer is: ${await text()}`);
}

/** Waits until something holds. */
async function until(holds, what) {
  for (let tries = 0; tries < 300; tries += 1) {
    if (holds()) return;
    await sleep(100);
  }
  assert.fail(`waited in vain until ${what}`);
}

const who = page.getByRole('status').first();
const run = page.getByRole('button', { name: /^Execute query/ });
const stop = page.getByRole('button', { name: /^Stop query/ });

async function ready(address = `${origin}/playground`) {
  await page.goto(address);
  await page.locator('.graphiql-query-editor .view-lines').getByText('{').first().waitFor();
}

async function example(role, title) {
  const group = page.locator('.examples details').filter({ has: page.getByText(role, { exact: true }) });
  if (!(await group.evaluate((details) => details.open))) await group.locator('summary').click();
  await group.getByRole('button', { name: title }).click();
}

/** Follows an example over a transport, and sees the event that a mutation causes. */
async function follow(transport, began) {
  await page.getByLabel('Subscriptions over').selectOption({ label: transport });
  await example('Admin', 'Follow who gets in');
  const streams = began();
  await run.click();
  await streams;
  await stop.waitFor();
  // The stream is there; that the subscription has begun shows when the first event arrives.
  const subjects = [];
  const mutating = setInterval(async () => subjects.push(await cause()), 500);
  const said = await answered('token.created', '"cursor"').finally(() => clearInterval(mutating));
  // The event can be on the screen before the mutation's own answer is here.
  await until(() => subjects.some((subject) => said.includes(subject)), `a mutation of ours caused ${said}`);
  return /"cursor": "([^"]+)"/.exec(said)[1];
}

try {
  await invite();

  await step('the page is there, and says that nobody is signed in', async () => {
    await ready();
    assert.match(await who.innerText(), /Not signed in/);
    await example('Anybody', 'Is anybody there?');
    await run.click();
    await answered('"__typename": "Query"');
  });

  await step('axe finds nothing in our own parts, light and dark', async () => {
    const found = [];
    for (const theme of ['Dark', 'Light']) {
      await page.getByLabel('Theme').selectOption({ label: theme });
      await page.getByRole('button', { name: 'Sign in', exact: true }).first().click();
      found.push(...(await findings(page, 'dialog')));
      if (shots) await page.screenshot({ path: `${shots}/dialog-${theme}.png` });
      await page.keyboard.press('Escape');
      for (const part of ['.bar', '.examples']) found.push(...(await findings(page, part)));
    }
    assert.deepEqual(found, []);
  });

  await step('a person signs in, by keyboard alone', async () => {
    await page.getByRole('button', { name: 'Sign in', exact: true }).first().focus();
    await page.keyboard.press('Enter');
    await page.keyboard.type(PERSON.email);
    await page.keyboard.press('Tab');
    await page.keyboard.type(PERSON.password);
    await page.keyboard.press('Enter');
    await who.getByText(`${PERSON.email}: ADMIN in`).waitFor();
  });

  await step('a query runs', async () => {
    await example('Viewer', 'Who am I?');
    await page.keyboard.press('Control+Enter');
    await answered('"role": "ADMIN"');
  });

  let cursor;
  await step('a subscription over WebSocket sees what a mutation causes', async () => {
    cursor = await follow('WebSocket', () => page.waitForEvent('websocket'));
    await stop.click();
    await run.waitFor();
  });

  await step('a session is renewed before it ends, and its socket goes on', async () => {
    const frames = [];
    page.once('websocket', (socket) => socket.on('framesent', ({ payload }) => frames.push(JSON.parse(payload))));
    await run.click();
    await stop.waitFor();
    await until(() => frames.some(({ type }) => type === 'subscribe'), 'the subscription begins');
    const [init] = frames;
    assert.equal(init.type, 'connection_init');
    await page.clock.fastForward('59:30');
    await until(() => frames.some(({ type, payload }) => type === 'ping' && payload), 'the socket hears of it');
    const ping = frames.find(({ type, payload }) => type === 'ping' && payload);
    assert.notEqual(ping.payload.authorization, init.payload.authorization);
    await answered(await cause());
    await stop.click();
    await run.waitFor();
  });

  await step('a subscription over SSE sees what a mutation causes', async () => {
    const isStream = (request) => request.headers().accept === 'text/event-stream';
    await follow('Event stream (SSE)', () => page.waitForRequest(isStream));
  });

  await step('who signs out hears nothing more', async () => {
    await page.getByRole('button', { name: 'Sign out' }).click();
    await who.getByText('Not signed in').waitFor();
    await run.waitFor();
  });

  await step('a token can be pasted, and is still there after a reload, in this tab alone', async () => {
    await page.getByRole('button', { name: 'Sign in', exact: true }).first().click();
    await page.getByLabel(/Or a token/).fill(`Bearer ${token}`);
    await page.getByRole('button', { name: 'Use the token' }).click();
    await who.getByText('A token: ADMIN in').waitFor();
    await ready();
    await who.getByText('A token: ADMIN in').waitFor();
    const kept = await page.evaluate(() => JSON.stringify({ ...localStorage }));
    assert.ok(!kept.includes(token), 'the token outlives the tab');
    const other = await context.newPage();
    await other.goto(`${origin}/playground`);
    await other.getByText('Not signed in').waitFor();
    await other.close();
  });

  await step('a link brings a document, whose subscription goes on behind a cursor', async () => {
    const subject = await cause();
    const document = `subscription GoOn {\n  events(after: "${cursor}") {\n    number\n    subject\n  }\n}\n`;
    await page.goto(`${origin}/playground#${new URLSearchParams({ document })}`);
    // Once the document is open, it leaves the address.
    await page.waitForURL(({ hash }) => hash === '');
    await page.locator('.graphiql-query-editor .view-lines').getByText('GoOn').waitFor();
    await run.click();
    await answered(subject);
    await stop.click();
    await page.getByRole('button', { name: 'Copy a link to this document' }).click();
    await page.getByText(/The link (was copied|is in the address bar)/).waitFor({ state: 'attached' });
    const shared = new URLSearchParams(new URL(page.url()).hash.slice(1));
    assert.deepEqual([...shared.keys()], ['document']);
    assert.equal(shared.get('document'), document);
  });

  await step('the schema has its pages', async () => {
    await page.getByRole('button', { name: 'Show Documentation Explorer' }).click();
    await page.getByText('Everything that can be followed.').or(page.getByText('subscription:')).first().waitFor();
  });

  assert.deepEqual(breaches, [], 'the page did what it should not');
  assert.ok(!asked.some((address) => address.includes(token)), 'the token stood in an address');
  console.log(`${asked.length} requests, all to ${new URL(origin).host}; nothing in the console`);
} catch (error) {
  if (shots) await page.screenshot({ path: `${shots}/failed.png` });
  console.error(error.message);
  for (const breach of breaches) console.error(breach);
  process.exitCode = 1;
} finally {
  await browser.close();
}
console.log(`${steps.length} steps passed`);
