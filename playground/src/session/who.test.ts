import { beforeEach, expect, test, vi } from 'vitest';
import { StandingStore } from './standing';
import { WhoStore } from './who';

const viewer = { kind: 'API_TOKEN', role: 'ADMIN', expiresAt: null, tenant: null };

beforeEach(() => sessionStorage.clear());

/** Holds every answer back until it is let go. */
function server() {
  const waiting: ((body: object) => void)[] = [];
  const fetch = () => new Promise((answer) => waiting.push((body) => answer(new Response(JSON.stringify(body)))));
  vi.stubGlobal('fetch', vi.fn(fetch));
  return waiting;
}

test('the server is asked who somebody is as soon as somebody is there', async () => {
  const waiting = server();
  const standing = new StandingStore(sessionStorage);
  const who = new WhoStore(standing);
  expect(who.current()).toEqual({ is: 'nobody' });
  standing.become({ token: 'one' });
  expect(who.current()).toEqual({ is: 'asked' });
  waiting[0]?.({ data: { viewer } });
  await vi.waitFor(() => expect(who.current()).toEqual({ is: 'known', viewer }));
});

test('a credential that does not hold is said to be refused', async () => {
  const waiting = server();
  const standing = new StandingStore(sessionStorage);
  const who = new WhoStore(standing);
  standing.become({ token: 'one' });
  waiting[0]?.({ errors: [{ message: 'the token was revoked' }] });
  await vi.waitFor(() => expect(who.current()).toEqual({ is: 'refused', message: 'the token was revoked' }));
});

test('an answer about the one before is not taken for the present one', async () => {
  const waiting = server();
  const standing = new StandingStore(sessionStorage);
  const who = new WhoStore(standing);
  standing.become({ token: 'one' });
  standing.become({ token: 'two' });
  waiting[1]?.({ data: { viewer } });
  await vi.waitFor(() => expect(who.current().is).toBe('known'));
  waiting[0]?.({ errors: [{ message: 'late' }] });
  await new Promise((later) => setTimeout(later));
  expect(who.current()).toEqual({ is: 'known', viewer });
});
