import { readFileSync } from 'node:fs';
import { buildClientSchema, type IntrospectionQuery, parse } from 'graphql';
import { beforeEach, expect, test, vi } from 'vitest';
import { StandingStore } from '../../session/standing';
import { chosen, createFetcher, SCHEMA_QUERY } from './fetcher';
import { Live, type Transport } from './live';

const DOCUMENT = 'query A { viewer { role } } subscription B { events { kind } }';
const options = { documentAST: parse(DOCUMENT) };

let standing: StandingStore;
let live: Live;
let transport: Transport = 'websocket';

beforeEach(() => {
  sessionStorage.clear();
  standing = new StandingStore(sessionStorage);
  standing.become({ token: 'ptl_x' });
  live = new Live(standing);
});

function fetcher() {
  return createFetcher(standing, live, () => transport);
}

test('a query is posted under the credential, with the headers of the editor', async () => {
  const fetch = vi.fn(async () => new Response('{"data":{}}'));
  vi.stubGlobal('fetch', fetch);
  await fetcher()({ query: DOCUMENT, operationName: 'A' }, { ...options, headers: { 'X-Portolan-Cost': 'report' } });
  const [url, init] = fetch.mock.calls[0] as unknown as [string, RequestInit];
  expect(url).toBe('/graphql');
  expect(init.headers).toMatchObject({ authorization: 'Bearer ptl_x', 'x-portolan-cost': 'report' });
  expect(JSON.parse(String(init.body))).toEqual({ query: DOCUMENT, operationName: 'A' });
});

test('a header of the editor wins, whatever its case', async () => {
  const fetch = vi.fn(async () => new Response('{"data":{}}'));
  vi.stubGlobal('fetch', fetch);
  await fetcher()({ query: '{ viewer { role } }' }, { headers: { Authorization: 'Bearer other' } });
  const [, init] = fetch.mock.calls[0] as unknown as [string, RequestInit];
  expect(init.headers).toMatchObject({ authorization: 'Bearer other' });
});

test('an answer that is no GraphQL is said to be none', async () => {
  vi.stubGlobal('fetch', async () => new Response('<h1>Bad gateway</h1>', { status: 502 }));
  await expect(fetcher()({ query: '{ viewer { role } }' })).rejects.toThrow('answered 502 without GraphQL');
});

test('a subscription takes the transport that is chosen when it begins', () => {
  const follow = vi.spyOn(live, 'follow').mockReturnValue(() => undefined);
  const run = fetcher();
  for (transport of ['websocket', 'sse'] as const) {
    const stream = run({ query: DOCUMENT, operationName: 'B' }, options) as { subscribe(sink: object): object };
    stream.subscribe({ next: () => undefined, error: () => undefined, complete: () => undefined });
    expect(follow.mock.lastCall?.slice(0, 2)).toEqual([transport, { query: DOCUMENT, operationName: 'B' }]);
  }
});

test('a name that the document does not have is passed over', () => {
  expect(chosen('query A { a }', 'Before')?.name?.value).toBe('A');
  expect(chosen(DOCUMENT, 'B')?.operation).toBe('subscription');
  expect(chosen(DOCUMENT, null)).toBeNull();
  expect(chosen('query {', 'A')).toBeNull();
});

test('the schema comes from its file, for callers who may not introspect', async () => {
  const sdl = readFileSync('../schema.graphql', 'utf8');
  const fetch = vi.fn(async (_url: string) => new Response(sdl));
  vi.stubGlobal('fetch', fetch);
  const answer = await fetcher()({ query: '{ __schema { types { name } } }', operationName: SCHEMA_QUERY });
  expect(fetch.mock.calls.map(([url]) => url)).toEqual(['/schema.graphql']);
  const schema = buildClientSchema((answer as unknown as { data: IntrospectionQuery }).data);
  expect(schema.getSubscriptionType()?.getFields().events?.description).toContain('Every change');
});
