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
const findings = results.reduce((sum, file) => sum + file.errorCount + file.warningCount, 0);
const formatter = await eslint.loadFormatter('stylish');
process.stdout.write(await formatter.format(results));
console.log(`${basename(schema)}: ${findings} findings`);
process.exitCode = findings > 0 ? 1 : 0;

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
