// Compares two schemas and refuses what would break a client of the older one.
//
//   node breaking.mjs OLD NEW
//
// ALLOW_BREAKING=1 lets the changes through, still named: for a release that means it.

import { readFileSync } from 'node:fs';
import { buildSchema, findBreakingChanges, findDangerousChanges } from 'graphql';

const [before, after] = process.argv.slice(2);
if (!before || !after) {
  console.error('usage: node breaking.mjs OLD NEW');
  process.exit(2);
}

const read = (path) => buildSchema(readFileSync(path, 'utf8'));
const [released, current] = [read(before), read(after)];

const breaking = findBreakingChanges(released, current);
// A new enum value or union member breaks no query, but a client has to expect it.
const dangerous = findDangerousChanges(released, current);

for (const change of dangerous) console.log(`dangerous ${change.type}: ${change.description}`);
for (const change of breaking) console.log(`BREAKING  ${change.type}: ${change.description}`);
console.log(`${breaking.length} breaking, ${dangerous.length} dangerous changes`);

const allowed = process.env.ALLOW_BREAKING === '1';
if (breaking.length > 0 && allowed) console.log('allowed by ALLOW_BREAKING=1');
process.exitCode = breaking.length > 0 && !allowed ? 1 : 0;
