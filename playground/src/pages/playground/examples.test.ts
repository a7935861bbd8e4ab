import { readFileSync } from 'node:fs';
import { buildSchema, getVariableValues, Kind, type OperationDefinitionNode, parse, validate } from 'graphql';
import { expect, test } from 'vitest';
import { examplesOf, files, roles } from './examples';

const schema = buildSchema(readFileSync('../schema.graphql', 'utf8'));
const all = roles.flatMap(({ folder }) => examplesOf(folder, files).map((example) => ({ folder, ...example })));

test('every file is an example of a role, or the variables of one', () => {
  const documents = Object.keys(files).filter((path) => path.endsWith('.graphql'));
  expect(all).toHaveLength(documents.length);
  for (const path of Object.keys(files).filter((path) => path.endsWith('.json'))) {
    expect(documents).toContain(path.replace(/json$/, 'graphql'));
  }
});

test('every role has examples', () => {
  for (const { folder } of roles) expect(examplesOf(folder, files), folder).not.toHaveLength(0);
});

test.each(all)('$folder: $title fits the schema, with its variables', ({ title, document, variables }) => {
  expect(title).not.toBe('');
  const parsed = parse(document);
  expect(validate(schema, parsed)).toEqual([]);
  const operations = parsed.definitions.filter((node) => node.kind === Kind.OPERATION_DEFINITION);
  expect(operations).toHaveLength(1);
  const [operation] = operations as [OperationDefinitionNode];
  expect(operation.name).toBeDefined();
  const values = JSON.parse(variables || '{}');
  const { errors } = getVariableValues(schema, operation.variableDefinitions ?? [], values);
  expect(errors).toBeUndefined();
  const declared = operation.variableDefinitions?.map((definition) => definition.variable.name.value) ?? [];
  expect(declared).toEqual(Object.keys(values));
});
