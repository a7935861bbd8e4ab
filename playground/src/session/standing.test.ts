import { beforeEach, expect, test, vi } from 'vitest';
import { headersOf, pasted, StandingStore } from './standing';

beforeEach(() => sessionStorage.clear());

test('nobody asks at first, and nothing is sent for nobody', () => {
  const store = new StandingStore(sessionStorage);
  expect(store.current()).toEqual({ credential: null, tenant: '' });
  expect(headersOf(store.current())).toEqual({});
});

test('a credential and a tenant are sent in headers', () => {
  const store = new StandingStore(sessionStorage);
  store.become({ token: 'ptl_x' });
  store.enter('harbour');
  expect(headersOf(store.current())).toEqual({ authorization: 'Bearer ptl_x', 'x-portolan-tenant': 'harbour' });
});

test('what is known outlives a reload, in the storage of the tab and nowhere else', () => {
  new StandingStore(sessionStorage).become({ token: 'ptl_secret', email: 'ada@example.com' });
  expect(new StandingStore(sessionStorage).current().credential?.token).toBe('ptl_secret');
  expect(JSON.stringify({ ...localStorage })).not.toContain('ptl_secret');
  expect(document.cookie).toBe('');
});

test.each(['', 'nonsense', 'null', '[]', '{"credential":{"token":1},"tenant":2}'])(
  'a storage of %s is nobody',
  (text) => {
    sessionStorage.setItem('portolan:standing', text);
    expect(new StandingStore(sessionStorage).current()).toEqual({ credential: null, tenant: '' });
  },
);

test('listeners hear whether another asks or the same one with a fresh token', () => {
  const store = new StandingStore(sessionStorage);
  const hear = vi.fn();
  const stop = store.subscribe(hear);
  store.become({ token: 'one' });
  store.renew({ token: 'two' });
  store.enter('harbour');
  store.enter('harbour');
  stop();
  store.become(null);
  expect(hear.mock.calls).toEqual([['other'], ['renewed'], ['other']]);
});

test.each(['ptl_x', ' ptl_x\n', 'Bearer ptl_x', 'bearer  ptl_x'])('a token is found in %j', (text) => {
  expect(pasted(text)).toEqual({ token: 'ptl_x' });
});

test.each(['', '   ', 'two words', 'ptl_\u00e4', 'a\u0000b'])('%j is no token', (text) => {
  expect(pasted(text)).toHaveProperty('problem');
});
