import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { Session } from './session';
import { StandingStore } from './standing';

const NOW = Date.parse('2027-01-01T00:00:00Z');
const MINUTE = 60_000;

/** A server that has these answers, and what it was asked. */
function server(...answers: object[]) {
  const fetch = vi.fn(async (_url: string, _init: RequestInit) => new Response(JSON.stringify(answers.shift())));
  vi.stubGlobal('fetch', fetch);
  return {
    count: () => fetch.mock.calls.length,
    asked: (call: number) => JSON.parse(String(fetch.mock.calls[call]?.[1].body)),
    headers: (call: number) => fetch.mock.calls[call]?.[1].headers as Record<string, string>,
  };
}

function tokens(field: string, name: string, minutes: number) {
  const accessTokenExpiresAt = new Date(NOW + minutes * MINUTE).toISOString();
  const session = { accessToken: `access-${name}`, accessTokenExpiresAt, refreshToken: `refresh-${name}` };
  return { data: { [field]: { session, userErrors: [] } } };
}

let standing: StandingStore;
let session: Session;

beforeEach(() => {
  vi.useFakeTimers({ now: NOW });
  sessionStorage.clear();
  standing = new StandingStore(sessionStorage);
  session = new Session(standing);
});

afterEach(() => vi.useRealTimers());

test('who signs in asks under the token that came', async () => {
  const asked = server(tokens('signIn', 'one', 60));
  await session.signIn('ada@example.com', 'a password');
  expect(asked.asked(0).variables).toEqual({ email: 'ada@example.com', password: 'a password' });
  expect(standing.current().credential).toMatchObject({ token: 'access-one', email: 'ada@example.com' });
});

test('the refresh token is stored nowhere, since a duplicated tab would use it a second time', async () => {
  server(tokens('signIn', 'one', 60));
  await session.signIn('ada@example.com', 'a password');
  expect(JSON.stringify([{ ...sessionStorage }, { ...localStorage }])).not.toContain('refresh-one');
});

test('a refusal is thrown in the words of the server, and nobody is signed in', async () => {
  server({ data: { signIn: { session: null, userErrors: [{ message: 'no such account' }] } } });
  await expect(session.signIn('ada@example.com', 'wrong')).rejects.toThrow('no such account');
  server({ errors: [{ message: 'wait a minute', extensions: { code: 'RATE_LIMITED' } }] });
  await expect(session.signIn('ada@example.com', 'wrong')).rejects.toThrow('wait a minute');
  expect(standing.current().credential).toBeNull();
});

test('the token is renewed a minute before it ends, each time with the refresh token that came last', async () => {
  const asked = server(
    tokens('signIn', 'one', 60),
    tokens('refreshSession', 'two', 119),
    tokens('refreshSession', 'three', 178),
  );
  const hear = vi.fn();
  await session.signIn('ada@example.com', 'a password');
  standing.subscribe(hear);
  await vi.advanceTimersByTimeAsync(58 * MINUTE);
  expect(asked.count()).toBe(1);
  await vi.advanceTimersByTimeAsync(MINUTE);
  expect(asked.asked(1).variables).toEqual({ refreshToken: 'refresh-one' });
  expect(standing.current().credential?.token).toBe('access-two');
  await vi.advanceTimersByTimeAsync(59 * MINUTE);
  expect(asked.asked(2).variables).toEqual({ refreshToken: 'refresh-two' });
  expect(hear.mock.calls).toEqual([['renewed'], ['renewed']]);
});

test('nothing is renewed once somebody else asks', async () => {
  const asked = server(tokens('signIn', 'one', 60));
  await session.signIn('ada@example.com', 'a password');
  standing.become({ token: 'pasted' });
  await vi.advanceTimersByTimeAsync(120 * MINUTE);
  expect(asked.count()).toBe(1);
  expect(standing.current().credential?.token).toBe('pasted');
});

test('signing out ends the session on the server too; a token that was pasted is only forgotten', async () => {
  const asked = server(tokens('signIn', 'one', 60), { data: { signOut: { ended: true, userErrors: [] } } });
  await session.signIn('ada@example.com', 'a password');
  await session.signOut();
  expect(asked.headers(1).authorization).toBe('Bearer access-one');
  expect(standing.current().credential).toBeNull();
  standing.become({ token: 'pasted' });
  await session.signOut();
  expect(asked.count()).toBe(2);
  expect(standing.current().credential).toBeNull();
});
