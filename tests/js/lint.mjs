// Lints schema.graphql with the rules that the GraphQL ecosystem shares. Zero findings.
//
//   node lint.mjs [SCHEMA]     (default: schema.graphql at the root of the repository)

import { readFileSync } from 'node:fs';
import { basename, dirname, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import graphqlPlugin from '@graphql-eslint/eslint-plugin';
import { ESLint } from 'eslint';
import { Kind, parse, specifiedDirectives } from 'graphql';

const root = fileURLToPath(new URL('../..', import.meta.url));
const schema = resolve(process.argv[2] ?? `${root}/schema.graphql`);

const rules = {
  ...graphqlPlugin.configs['flat/schema-recommended'].rules,
  ...graphqlPlugin.configs['flat/schema-relay'].rules,

  // The recommended set asks for types, directives and root fields only. We describe everything.
  '@graphql-eslint/require-description': [
    'error',
    {
      types: true,
      FieldDefinition: true,
      InputValueDefinition: true,
      EnumValueDefinition: true,
      DirectiveDefinition: true,
    },
  ],

  // Off: a payload, a connection, an edge and a value such as money or an address have no
  // identity and so no id. What has one implements Node, and that interface already
  // demands `id: ID!` of every type that claims it.
  '@graphql-eslint/strict-id-in-types': 'off',

  // The rule without its claim on lists outside connections: short, bounded lists
  // (`userErrors`, `scopes`, the `nodes` beside `edges`) are plain lists here, as they
  // are in GitHub's and Shopify's schemas. Edges themselves are held to the full rule.
  '@graphql-eslint/relay-edge-types': [
    'error',
    { withEdgeSuffix: true, shouldImplementNode: true, listTypeCanWrapOnlyEdgeType: false },
  ],
};

// Where we differ, each with its reason. One that nothing needs any more is a finding itself.
const excused = {
  // What is looked at by the thousand and only ever in its list has no global id: a check, a line, a record of a
  // provider (which has the provider's id), an element that was no record.
  // A partner integration is an integration with more beside it, and has that one's id.
  '@graphql-eslint/relay-edge-types': [
    'HealthCheckEdge',
    'PartnerIntegrationEdge',
    'SyncFailureEdge',
    'SyncLogLineEdge',
    'SyncRecordEdge',
  ],
  // Pages of many integrations are read in one statement, in one direction; Relay allows that.
  '@graphql-eslint/relay-arguments': ['Health.history'],
};

const eslint = new ESLint({
  // ESLint reads nothing outside its working folder.
  cwd: dirname(schema),
  overrideConfigFile: true,
  overrideConfig: [
    {
      files: ['**/*.graphql'],
      languageOptions: {
        parser: graphqlPlugin.parser,
        parserOptions: { graphQLConfig: { schema } },
      },
      // A finding is answered in the schema or in the rules above, never by a comment in
      // a generated file.
      linterOptions: { noInlineConfig: true },
      plugins: { '@graphql-eslint': graphqlPlugin },
      rules,
    },
  ],
});

const results = await eslint.lintText(ownWords(schema), { filePath: schema });
const unneeded = excuse(results);
const findings = unneeded.length + results.reduce((sum, file) => sum + file.errorCount + file.warningCount, 0);
const formatter = await eslint.loadFormatter('stylish');
process.stdout.write(await formatter.format(results));
for (const place of unneeded) console.log(`${place} is excused and need not be`);
console.log(`${basename(schema)}: ${findings} findings`);
process.exitCode = findings > 0 ? 1 : 0;

/** Takes away the findings that are excused. Gives the excuses that were not needed. */
function excuse(results) {
  const text = readFileSync(schema, 'utf8');
  const starts = [0];
  for (let at = text.indexOf('\n'); at >= 0; at = text.indexOf('\n', at + 1)) starts.push(at + 1);
  const { definitions } = parse(text);
  const around = (nodes, at) => nodes?.find(({ loc }) => loc.start <= at && at <= loc.end);
  const used = new Set();
  for (const file of results) {
    file.messages = file.messages.filter(({ ruleId, line, column }) => {
      const at = starts[line - 1] + column - 1;
      const definition = around(definitions, at);
      const field = around(definition?.fields, at)?.name.value;
      const place = [definition?.name?.value, field].filter(Boolean).join('.');
      if (!excused[ruleId]?.includes(place)) return true;
      used.add(`${ruleId} at ${place}`);
      return false;
    });
    file.errorCount = file.messages.filter(({ severity }) => severity === 2).length;
    file.warningCount = file.messages.length - file.errorCount;
  }
  const all = Object.entries(excused).flatMap(([rule, places]) => places.map((place) => `${rule} at ${place}`));
  return all.filter((place) => !used.has(place));
}

/**
 * The schema's text with the definitions of `@skip`, `@deprecated` and their like made blank,
 * line by line so that findings keep their place. Our GraphQL library prints those, without a
 * word on their arguments and whether used or not; they are the specification's, not ours.
 */
function ownWords(path) {
  const text = readFileSync(path, 'utf8');
  const theirs = new Set(specifiedDirectives.map((directive) => directive.name));
  return parse(text)
    .definitions.filter((definition) => definition.kind === Kind.DIRECTIVE_DEFINITION)
    .filter((definition) => theirs.has(definition.name.value))
    .reduce(blank, text);
}

function blank(text, { loc: { start, end } }) {
  return text.slice(0, start) + text.slice(start, end).replace(/[^\n]/g, ' ') + text.slice(end);
}
