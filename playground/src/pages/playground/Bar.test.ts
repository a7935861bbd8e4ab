import { expect, test } from 'vitest';
import { inWords } from './Bar';

const viewer = { kind: 'USER', role: 'ADMIN', expiresAt: null, tenant: { name: 'Harbour', slug: 'harbour' } } as const;

test('the bar says who asks, and where', () => {
  expect(inWords({ is: 'nobody' }, undefined)).toBe('Not signed in');
  expect(inWords({ is: 'known', viewer }, 'ada@example.com')).toBe('ada@example.com: ADMIN in Harbour (harbour)');
  expect(inWords({ is: 'known', viewer: { ...viewer, tenant: null } }, undefined)).toBe('A token: ADMIN');
  expect(inWords({ is: 'refused', message: 'it was revoked' }, undefined)).toContain('it was revoked');
});
