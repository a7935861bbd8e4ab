// The clients that applications use, graphql-ws and graphql-sse, against a hub: the whole protocol, and
// subscriptions that miss nothing though their socket is cut and the hub is killed.
//
//   node live.mjs PORTOLAN     (the binary; it is served on a port and a folder of its own)

import { setTimeout as sleep } from 'node:timers/promises';

import { createClient as createSseClient } from 'graphql-sse';
import { createClient } from 'graphql-ws';
import WebSocket from 'ws';

import { Hub } from './hub.mjs';

const [program] = process.argv.slice(2);
if (!program) {
  console.error('usage: node live.mjs PORTOLAN');
  process.exit(2);
}

/** Longer than anything takes, on a busy machine too. */
const LIMIT = 60_000;

let [passed, failed] = [0, 0];

function check(rule, holds, found) {
  if (holds) {
    passed += 1;
    return;
  }
  failed += 1;
  console.log(`failed: ${rule}`, found === undefined ? '' : JSON.stringify(found));
}

/** Waits for a condition. */
async function until(what, look) {
  const deadline = Date.now() + LIMIT;
  for (;;) {
    const found = await look();
    if (found) return found;
    if (Date.now() > deadline) throw new Error(`waited in vain until ${what}`);
    await sleep(20);
  }
}

/** Waits for what may never come. */
async function within(what, promise, limit = LIMIT) {
  const late = sleep(limit, undefined, { ref: false }).then(() => {
    throw new Error(`waited in vain for ${what}`);
  });
  return Promise.race([promise, late]);
}

const hub = await Hub.start(program, {
  PORTOLAN_LIVE_INIT_TIMEOUT: '1s',
  PORTOLAN_LIVE_PING_INTERVAL: '300ms',
  PORTOLAN_LIVE_PATIENCE: '2s',
  PORTOLAN_LIVE_SOCKETS_PER_CALLER: '6',
  PORTOLAN_GRAPHQL_COST_PER_MINUTE: '0',
});
const admin = hub.token('super-admin');

// --- What is asked ---------------------------------------------------------------------------

const ME = '{ viewer { role } }';
const FOLLOW =
  'subscription($after: String) { events(topics: [ACCESS], after: $after) { number cursor kind data } }';
const CREATE = `mutation($e: String!) {
  createUser(input: { email: $e, name: "A", role: VIEWER }) { user { id email } userErrors { message } }
}`;
const NEWEST = '{ events(last: 1, topics: [ACCESS]) { nodes { number cursor } } }';

const RENAME = `mutation($id: ID!, $n: String!) {
  updateUser(input: { id: $id, name: $n }) { user { name } userErrors { message } }
}`;

const { createUser: made } = await hub.ask(admin, CREATE, { e: 'somebody@example.com' });
let times = 0;
/** Makes something happen: one event. */
const happen = async () => {
  times += 1;
  const { updateUser } = await hub.ask(admin, RENAME, { id: made.user.id, n: `Name ${times}` });
  if (updateUser.user?.name !== `Name ${times}`) throw new Error(JSON.stringify(updateUser));
};
const newest = async () => (await hub.ask(admin, NEWEST)).events.nodes[0];

/** The numbers of everything after a cursor, as the query has them. */
async function logged(after) {
  const query = `query($after: String) {
    events(topics: [ACCESS], first: 100, after: $after) { nodes { number } pageInfo { hasNextPage endCursor } }
  }`;
  const numbers = [];
  for (let at = after; ; ) {
    const { nodes, pageInfo } = (await hub.ask(admin, query, { after: at })).events;
    numbers.push(...nodes.map((node) => node.number));
    if (!pageInfo.hasNextPage) return numbers;
    at = pageInfo.endCursor;
  }
}

// --- Clients ---------------------------------------------------------------------------------

/** A client of sockets, with what happened to it. */
function socketClient(token, options = {}) {
  const seen = { opened: 0, acks: [], pings: 0, pongs: [], closed: [], socket: undefined };
  const client = createClient({
    url: `ws://${hub.host}/graphql`,
    webSocketImpl: WebSocket,
    connectionParams: token ? { authorization: `Bearer ${token}` } : undefined,
    retryAttempts: 0,
    ...options,
    on: {
      opened: (socket) => {
        seen.opened += 1;
        seen.socket = socket;
      },
      connected: (_, payload) => seen.acks.push(payload),
      ping: (received) => (seen.pings += Number(received)),
      pong: (received, payload) => received && seen.pongs.push(payload ?? null),
      closed: (event) => seen.closed.push(event.code),
    },
  });
  return { client, seen };
}

/** A client that comes back whatever happened. */
const stubborn = { retryAttempts: Infinity, shouldRetry: () => true, retryWait: () => sleep(50 + Math.random() * 100) };

/** What a client gives for an operation that answers once. */
const once = (client, payload) =>
  within('an answer', new Promise((resolve) => {
    const results = [];
    client.subscribe(payload, {
      next: (result) => results.push(result),
      error: (error) => resolve({ results, error }),
      complete: () => resolve({ results, completed: true }),
    });
  }));

/** A running subscription: its events, and how it ended. */
function follow(client, payload) {
  const run = { events: [], errors: undefined, ended: undefined };
  run.stop = client.subscribe(payload, {
    next: ({ data, errors }) => {
      if (errors) {
        run.errors = errors;
        return;
      }
      run.events.push(data.events);
      // Where to go on if the connection has to be made anew: the client sends this object again as it is then.
      payload.variables.after = data.events.cursor;
    },
    error: (error) => (run.ended = { error }),
    complete: () => (run.ended = { completed: true }),
  });
  return run;
}

const numbers = (run) => run.events.map((event) => event.number);
const codes = (errors) => (Array.isArray(errors) ? errors.map((error) => error.extensions?.code) : errors);

// --- The protocol, as graphql-ws speaks it ---------------------------------------------------

async function initAndAck() {
  const { client, seen } = socketClient(admin, { lazy: false, onNonLazyError: () => {} });
  await until('the server acknowledges', () => seen.acks.length === 1);
  const [ack] = seen.acks;
  check('the acknowledgement says until when the credential holds', ack && 'expiresAt' in ack && ack.requestId, ack);
  check('a client that is not lazy connects before it is asked for anything', seen.opened === 1, seen.opened);
  // The server pings by the protocol underneath, and hangs up on who does not answer within two seconds.
  await sleep(3_000);
  check('a quiet client that answers pings is kept', seen.closed.length === 0, seen.closed);
  await client.dispose();
  await until('it is closed', () => seen.closed.length === 1);
  check('leaving is an ordinary end', seen.closed[0] === 1000, seen.closed);
}

async function pingAndPong() {
  const { client, seen } = socketClient(admin, { lazy: false, keepAlive: 100, onNonLazyError: () => {} });
  await until('pings are answered', () => seen.pongs.length >= 3);
  check('a ping without a credential gets a plain pong', seen.pongs.every((payload) => payload === null), seen.pongs);
  await client.dispose();
}

async function lazy() {
  const { client, seen } = socketClient(admin);
  await sleep(200);
  check('a lazy client opens nothing before it is asked', seen.opened === 0, seen.opened);
  const { results, completed } = await once(client, { query: ME });
  check('a query is answered over the socket, and completed', completed && results[0].data.viewer.role === 'SUPER_ADMIN', results);
  await until('the lazy client leaves', () => seen.closed.length === 1);
  const again = await once(client, { query: ME });
  check('a lazy client opens another socket when it is asked again', again.completed && seen.opened === 2, seen);
  await client.dispose();
}

async function operations() {
  const { client } = socketClient(admin, { lazy: false });
  const done = await once(client, { query: RENAME, variables: { id: made.user.id, n: 'Over a socket' } });
  check('a mutation runs over the socket', done.completed && done.results[0].data.updateUser.user.name === 'Over a socket', done);
  const many = await Promise.all(Array.from({ length: 20 }, () => once(client, { query: ME })));
  check('operations run beside each other', many.every((it) => it.completed && it.results.length === 1), many);
  const wrong = await once(client, { query: '{ nonsense }' });
  check('a document that does not fit the schema is an error', codes(wrong.error)?.[0] === 'GRAPHQL_VALIDATION_FAILED' && wrong.results.length === 0, wrong);
  const syntax = await once(client, { query: '{' });
  check('what is no document is an error', codes(syntax.error)?.[0] === 'GRAPHQL_PARSE_FAILED', syntax);
  const cursor = await once(client, { query: FOLLOW, variables: { after: 'nonsense' } });
  check('a subscription that cannot begin is an error', codes(cursor.error)?.[0] === 'BAD_USER_INPUT', cursor);
  const named = await once(client, { query: `query A ${ME} query B { viewer { actor } }`, operationName: 'B' });
  check('the operation of a name is run', named.completed && 'actor' in named.results[0].data.viewer, named);
  await client.dispose();
}

async function subscription() {
  const { client, seen } = socketClient(admin, { lazy: false, generateID: () => 'the same' });
  const { number, cursor } = await newest();
  const run = follow(client, { query: FOLLOW, variables: { after: cursor } });
  for (let count = 0; count < 5; count += 1) await happen();
  await until('the events came', () => run.events.length >= 5);
  check('events are numbered without holes', numbers(run).every((it, at) => Number(it) === Number(number) + at + 1), numbers(run));
  run.stop();
  await happen();
  await until('the subscription is over for the client', () => run.ended);
  check('a subscription that was stopped is silent', run.events.length === 5 && run.ended.completed, run);
  const second = follow(client, { query: FOLLOW, variables: { after: cursor } });
  await until('all is replayed', () => second.events.length >= 6);
  check('the id of what was stopped is free, and a replay has everything', numbers(second).slice(0, 5).join() === numbers(run).join(), numbers(second));
  check('all of it went over one socket', seen.opened === 1 && seen.closed.length === 0, seen);
  second.stop();
  await client.dispose();
}

async function closeCodes() {
  const wrong = await once(socketClient('ptl_nonsense').client, { query: ME });
  check('a credential that does not hold closes with 4403', wrong.error?.code === 4403, wrong.error?.code);
  const { client } = socketClient(admin, { generateID: () => 'the same' });
  const first = follow(client, { query: FOLLOW, variables: {} });
  const second = await once(client, { query: ME });
  check('an id that is in use closes with 4409', second.error?.code === 4409, second.error?.code);
  await until('the other is told, too', () => first.ended);
  check('whoever shared the socket hears the same', first.ended.error?.code === 4409, first.ended.error?.code);

  const said = async (words, protocol = 'graphql-transport-ws') => {
    const socket = new WebSocket(`ws://${hub.host}/graphql`, protocol);
    const closed = new Promise((resolve) => socket.on('close', resolve).on('error', () => {}));
    socket.on('open', () => words.forEach((word) => socket.send(typeof word === 'string' ? word : JSON.stringify(word))));
    return within('the close', closed);
  };
  const init = { type: 'connection_init', payload: { authorization: `Bearer ${admin}` } };
  const expected = [
    ['what is no message', ['nonsense'], 4400],
    ['an unknown type', [init, { type: 'start', id: '1', payload: {} }], 4400],
    ['subscribing before the acknowledgement', [{ type: 'subscribe', id: '1', payload: { query: ME } }], 4401],
    ['saying nothing', [], 4408],
    ['a second init', [init, init], 4429],
  ];
  for (const [what, words, code] of expected) {
    const found = await said(words);
    check(`${what} closes with ${code}`, found === code, found);
  }
  const crowd = Array.from({ length: 7 }, () => socketClient(admin, { lazy: false, onNonLazyError: () => {} }));
  await until('one of them is turned away', () => crowd.some(({ seen }) => seen.closed.includes(4429)));
  await until('the others are in', () => crowd.filter(({ seen }) => seen.acks.length === 1).length === 6);
  check('a caller with too many sockets is closed with 4429', crowd.filter(({ seen }) => seen.closed.length > 0).length === 1);
  await Promise.all(crowd.map(({ client }) => client.dispose()));
  await until('they are gone', () => crowd.every(({ seen }) => seen.closed.length > 0));
}

/** A subscription that began at a cursor has exactly what the log has. */
async function exact(what, run, cursor) {
  const all = await logged(cursor);
  await until(`${what}: everything arrives`, () => run.events.length >= all.length);
  check(`${what}: each event once and in order`, numbers(run).join() === all.join(), [numbers(run), all]);
}

async function resumption() {
  const { client, seen } = socketClient(admin, stubborn);
  const { cursor } = await newest();
  const run = follow(client, { query: FOLLOW, variables: { after: cursor } });
  for (let round = 0; round < 4; round += 1) {
    for (let count = 0; count < 5; count += 1) await happen();
    await until('some arrived', () => run.events.length > round * 7);
    if (round % 2 === 0) {
      seen.socket.terminate();
      await happen();
      await happen();
    } else {
      await hub.kill();
      await hub.again();
      await happen();
      await happen();
    }
  }
  await exact('over a socket that was cut and a hub that was killed', run, cursor);
  check('it had to come back each time', seen.opened >= 5, seen.opened);
  run.stop();
  await client.dispose();
}

// --- Renewal ---------------------------------------------------------------------------------

async function renewal() {
  const CREATE_TOKEN = `mutation($at: DateTime) {
    createApiToken(input: { name: "short", role: SUPER_ADMIN, expiresAt: $at }) { token userErrors { message } }
  }`;
  const short = async () => {
    const at = new Date(Date.now() + 4_000).toISOString();
    return (await hub.ask(admin, CREATE_TOKEN, { at })).createApiToken.token;
  };
  const [token, other] = [await short(), await short()];
  const [renewed, ended] = [socketClient(token), socketClient(other, { onNonLazyError: () => {} })];
  const { cursor } = await newest();
  const runs = [renewed, ended].map(({ client }) => follow(client, { query: FOLLOW, variables: { after: cursor } }));
  await happen();
  await until('both are served', () => runs.every((run) => run.events.length > 0));
  const expires = Date.parse(renewed.seen.acks[0].expiresAt);
  check('the acknowledgement says when the credential ends', Math.abs(expires - Date.now()) < 10_000, renewed.seen.acks);
  renewed.seen.socket.send(JSON.stringify({ type: 'ping', payload: { authorization: `Bearer ${admin}` } }));
  await until('the pong', () => renewed.seen.pongs.length === 1);
  check('a ping with a fresh credential is answered with its end', renewed.seen.pongs[0]?.expiresAt === null, renewed.seen.pongs);
  await until('the other is closed', () => ended.seen.closed.length > 0);
  check('who does not renew is closed with 4403', ended.seen.closed[0] === 4403 && runs[1].ended.error.code === 4403, ended.seen);
  await sleep(Math.max(0, expires - Date.now()) + 500);
  await happen();
  await exact('over a credential that was renewed', runs[0], cursor);
  check('renewing takes no other socket', renewed.seen.opened === 1 && renewed.seen.closed.length === 0, renewed.seen);
  runs[0].stop();
  await renewed.client.dispose();
}

// --- Event streams, as graphql-sse speaks them -----------------------------------------------

function streamClient(token, options = {}) {
  return createSseClient({
    url: `http://${hub.host}/graphql`,
    headers: { authorization: `Bearer ${token}` },
    retryAttempts: 0,
    ...options,
  });
}

async function streams() {
  const client = streamClient(admin);
  const me = await once(client, { query: ME });
  check('a query is answered on a stream, and completed', me.completed && me.results[0].data.viewer.role === 'SUPER_ADMIN', me);
  const done = await once(client, { query: RENAME, variables: { id: made.user.id, n: 'On a stream' } });
  check('a mutation runs on a stream', done.completed && done.results[0].data.updateUser.user.name === 'On a stream', done);
  const wrong = await once(client, { query: '{ nonsense }' });
  check('errors come on the stream, and it is completed', wrong.completed && codes(wrong.results[0].errors)[0] === 'GRAPHQL_VALIDATION_FAILED', wrong);
  const stranger = await once(streamClient('ptl_nonsense'), { query: ME });
  check('a credential that does not hold has its status', stranger.error?.response?.status === 401, stranger.error?.response?.status);

  const { cursor } = await newest();
  const run = follow(client, { query: FOLLOW, variables: { after: cursor } });
  for (let count = 0; count < 5; count += 1) await happen();
  await exact('on a stream', run, cursor);
  // Signs of life come every 300 ms; none of them is an event.
  await sleep(1_000);
  check('a quiet stream goes on', run.ended === undefined && run.events.length === 5, run.ended);
  run.stop();
  await happen();
  await until('the stream is over', () => run.ended);
  check('a stream that was left is silent', run.events.length === 5, run.events.length);
  client.dispose();
}

async function streamResumption() {
  const { cursor } = await newest();
  let [last, connects] = [cursor, 0];
  const client = streamClient(admin, {
    // What a browser does by itself: it sends back the id of the last event. That counts before `after`.
    headers: () => ({ authorization: `Bearer ${admin}`, 'last-event-id': last }),
    retryAttempts: Infinity,
    retry: () => sleep(50 + Math.random() * 100),
    on: { connected: () => (connects += 1) },
  });
  const run = { events: [] };
  const stop = client.subscribe(
    { query: FOLLOW, variables: { after: cursor } },
    {
      next: ({ data }) => {
        run.events.push(data.events);
        last = data.events.cursor;
      },
      error: (error) => check('the client comes back', false, String(error)),
      complete: () => {},
    },
  );
  for (let round = 0; round < 3; round += 1) {
    for (let count = 0; count < 5; count += 1) await happen();
    await until('some arrived', () => run.events.length > round * 6);
    await hub.kill();
    await hub.again();
    await happen();
  }
  await exact('on a stream of a hub that was killed', run, cursor);
  check('it had to come back each time', connects >= 4, connects);
  stop();
  client.dispose();
}

// --- All of it -------------------------------------------------------------------------------

const chapters = [
  initAndAck, pingAndPong, lazy, operations, subscription, closeCodes, resumption, renewal, streams, streamResumption,
];
let ran = 0;
for (const chapter of chapters) {
  try {
    await within(`the end of ${chapter.name}`, chapter(), 5 * LIMIT);
    ran += 1;
  } catch (error) {
    check(`${chapter.name} came to its end`, false, String(error.stack));
  }
}
await hub.stop();
console.log(`${passed} passed, ${failed} failed`);
process.exit(failed > 0 || ran < chapters.length ? 1 : 0);
