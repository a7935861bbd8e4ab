/**
 * Asking the API over HTTP. Everything that is asked here goes to the host that served the page.
 */

import type { ExecutionResult } from 'graphql';
import type { TypedDocumentString } from './documents';

export const ENDPOINT = '/graphql';

/** One operation, as the endpoint takes it. */
export interface Ask {
  query: string;
  variables?: unknown;
  operationName?: string | null | undefined;
}

/** Why there is no answer that could be used. */
export class AskError extends Error {
  /** The code of the first error, if the server gave one. */
  readonly code: string | undefined;

  constructor(message: string, code?: string) {
    super(message);
    this.name = 'AskError';
    this.code = code;
  }
}

/** Asks, and gives the answer as it is: a refusal too is an answer, as long as it has the shape of one. */
export async function post(ask: Ask, headers: Record<string, string>): Promise<ExecutionResult> {
  const response = await fetch(ENDPOINT, {
    method: 'POST',
    headers: {
      accept: 'application/graphql-response+json, application/json;q=0.9',
      ...headers,
      'content-type': 'application/json',
    },
    body: JSON.stringify(ask),
  });
  const text = await response.text();
  try {
    return JSON.parse(text);
  } catch {
    throw new AskError(`the server answered ${response.status} without GraphQL: ${text.slice(0, 200)}`);
  }
}

/** Asks one of our own documents; an error of any kind is thrown. */
export async function ask<Data, Variables>(
  document: TypedDocumentString<Data, Variables>,
  variables: Variables,
  headers: Record<string, string>,
): Promise<Data> {
  const { data, errors } = await post({ query: document.toString(), variables }, headers);
  const error = errors?.[0];
  if (error) throw new AskError(error.message, String(error.extensions?.code ?? ''));
  if (!data) throw new AskError('the server answered with neither data nor errors');
  return data as Data;
}
