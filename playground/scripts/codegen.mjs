// Writes the typed documents: of every operation in a `.graphql` file beside the code that asks it, the text
// and the types of its variables and its answer, by ../schema.graphql.
//
//   node scripts/codegen.mjs            writes src/api/documents.ts
//   node scripts/codegen.mjs --check    fails if that is out of date
//
// graphql-codegen's parts are called here without its command line, which brings loaders for every place
// that a schema could come from.

import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { codegen } from '@graphql-codegen/core';
import * as documents from '@graphql-codegen/typed-document-node';
import * as operations from '@graphql-codegen/typescript-operations';
import { parse } from 'graphql';

process.chdir(fileURLToPath(new URL('..', import.meta.url)));
const target = 'src/api/documents.ts';

// Examples are for people to run; they are held against the schema by a test.
const sources = readdirSync('src', { recursive: true })
  .map((name) => `src/${name.replaceAll('\\', '/')}`)
  .filter((path) => path.endsWith('.graphql') && !path.includes('/examples/'))
  .sort();

const made = await codegen({
  filename: target,
  schema: parse(readFileSync('../schema.graphql', 'utf8')),
  documents: sources.map((location) => ({ location, document: parse(readFileSync(location, 'utf8')) })),
  config: {
    documentMode: 'string',
    useTypeImports: true,
    enumsAsTypes: true,
    skipTypename: true,
    disableDescriptions: true,
    scalars: { ID: 'string', DateTime: 'string', JSON: 'unknown' },
  },
  plugins: [{ operations: {} }, { documents: {} }],
  pluginMap: { operations, documents },
});
const text = `// Made by scripts/codegen.mjs; do not edit.\n${made.trim()}\n`;

if (process.argv.includes('--check')) {
  if (readFileSync(target, 'utf8') !== text) {
    console.error(`${target} is out of date: npm run codegen`);
    process.exitCode = 1;
  }
} else {
  writeFileSync(target, text);
}
