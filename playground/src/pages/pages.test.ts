import { expect, test } from 'vitest';
import { pageAt, pages } from './index';

test('a page is found by its path, with a slash at the end or without', () => {
  for (const page of pages) {
    expect(pageAt(page.path)).toBe(page);
    expect(pageAt(`${page.path}/`)).toBe(page);
  }
});

test('no two pages have one path', () => {
  expect(new Set(pages.map((page) => page.path)).size).toBe(pages.length);
});
