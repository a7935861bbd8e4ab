import { beforeEach, expect, test } from 'vitest';
import { linkTo, shared, takeShared } from './share';

const DOCUMENT = 'query A($a: String = "ä & # % +") {\n  viewer {\n    role # a\n  }\n}\n';

beforeEach(() => history.replaceState(null, '', '/playground'));

test('a document comes out of a link as it went in', () => {
  const link = linkTo('https://hub.example.com/playground?x=1#document=old', DOCUMENT);
  expect(shared(new URL(link).hash)).toBe(DOCUMENT);
  expect(link).toMatch(/^https:\/\/hub\.example\.com\/playground#document=/);
});

test('an address without a document brings none', () => {
  for (const fragment of ['', '#', '#other=1', '#document=']) expect(shared(fragment)).toBeUndefined();
});

test('what was opened leaves the address', () => {
  history.replaceState(null, '', linkTo(location.href, DOCUMENT));
  expect(takeShared()).toBe(DOCUMENT);
  expect(location.hash).toBe('');
  expect(takeShared()).toBeUndefined();
});
