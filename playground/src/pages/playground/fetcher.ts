/**
 * What GraphiQL runs operations with: queries and mutations by POST, subscriptions over the chosen transport.
 *
 * The schema is taken from `/schema.graphql`, not by introspection: it is the same text for everybody, and it is
 * there for callers who have not signed in and on servers where introspection is off.
 */

import type { Fetcher } from '@graphiql/toolkit';
import {
  buildSchema,
  type ExecutionResult,
  getOperationAST,
  introspectionFromSchema,
  type OperationDefinitionNode,
  parse,
} from 'graphql';
import { type Ask, post } from '../../api/request';
import { headersOf, type StandingStore } from '../../session/standing';
import type { Live, Transport } from './live';

/** The name under which GraphiQL asks for the schema, and nobody else does. */
export const SCHEMA_QUERY = 'PlaygroundSchema';

export function createFetcher(standing: StandingStore, live: Live, transport: () => Transport): Fetcher {
  return (params, options) => {
    const { query, variables, operationName } = params;
    if (operationName === SCHEMA_QUERY) return schema();
    const operation = chosen(query, operationName);
    const ask: Ask = { query, variables, operationName: operation?.name?.value };
    if (operation?.operation === 'subscription') {
      return { subscribe: (sink) => ({ unsubscribe: live.follow(transport(), ask, sink as never) }) };
    }
    // Who asks is said above; headers of the editor come after, so that one can try another token by hand.
    return post(ask, { ...headersOf(standing.current()), ...lowerCased(options?.headers) }) as Promise<never>;
  };
}

/**
 * The operation to run. GraphiQL learns the name of another document's operation a moment late, so a name that
 * the document does not have is passed over; what cannot be parsed is for the server to refuse.
 */
export function chosen(query: string, name: string | null | undefined): OperationDefinitionNode | null {
  try {
    const document = parse(query);
    return getOperationAST(document, name) ?? getOperationAST(document) ?? null;
  } catch {
    return null;
  }
}

async function schema(): Promise<ExecutionResult> {
  const response = await fetch('/schema.graphql');
  if (!response.ok) throw new Error(`the schema cannot be had: the server answered ${response.status}`);
  const built = buildSchema(await response.text());
  return { data: introspectionFromSchema(built, { oneOf: true }) as unknown as Record<string, unknown> };
}

function lowerCased(headers: unknown): Record<string, string> {
  const entries = Object.entries((headers ?? {}) as Record<string, unknown>);
  return Object.fromEntries(entries.map(([name, value]) => [name.toLowerCase(), String(value)]));
}
