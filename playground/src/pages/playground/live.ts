/**
 * Following subscriptions, over WebSockets or over event streams.
 *
 * No client here reconnects by itself: it would begin anew, and what happened meanwhile would be missing without
 * a word. Instead the end is shown with the cursor after which to go on; the hub keeps what comes after it.
 *
 * A subscription belongs to the caller who began it and ends when another one takes over. A socket whose caller
 * got a fresh token is told it in a `ping`, and goes on.
 */

import type { ExecutionResult } from 'graphql';
import { createClient as createStreams, type Client as Streams } from 'graphql-sse';
import { createClient as createSockets, type Client as Sockets } from 'graphql-ws';
import { type Ask, ENDPOINT } from '../../api/request';
import { Choice } from '../../choice';
import { headersOf, type StandingStore } from '../../session/standing';

export type Transport = 'websocket' | 'sse';

/** Which of them subscriptions take. */
export const transport = new Choice<Transport>('transport', ['websocket', 'sse']);

/** Who listens. */
export interface Sink {
  next(result: ExecutionResult): void;
  error(error: Error): void;
  complete(): void;
}

export class Live {
  readonly #standing: StandingStore;
  #sockets: Sockets | undefined;
  #streams: Streams | undefined;
  #socket: WebSocket | undefined;

  constructor(standing: StandingStore) {
    this.#standing = standing;
    standing.subscribe((change) => {
      if (change === 'renewed') this.#renew();
      else this.#end();
    });
  }

  /** Follows until told to stop. */
  follow(transport: Transport, request: Ask, sink: Sink): () => void {
    const client = transport === 'websocket' ? this.#overSockets() : this.#overStreams();
    return client.subscribe(asked(request), told(sink));
  }

  #overSockets(): Sockets {
    this.#sockets ??= createSockets({
      url: socketUrl(location.href),
      connectionParams: () => headersOf(this.#standing.current()),
      retryAttempts: 0,
      on: {
        connected: (socket) => {
          this.#socket = socket as WebSocket;
        },
        closed: () => {
          this.#socket = undefined;
        },
      },
    });
    return this.#sockets;
  }

  #overStreams(): Streams {
    this.#streams ??= createStreams({
      url: ENDPOINT,
      headers: () => headersOf(this.#standing.current()),
      retryAttempts: 0,
    });
    return this.#streams;
  }

  #renew(): void {
    const payload = headersOf(this.#standing.current());
    this.#socket?.send(JSON.stringify({ type: 'ping', payload }));
  }

  #end(): void {
    void this.#sockets?.dispose();
    this.#streams?.dispose();
    this.#sockets = this.#streams = undefined;
  }
}

/** The address of the endpoint for sockets. */
export function socketUrl(page: string): string {
  const url = new URL(ENDPOINT, page);
  url.protocol = url.protocol === 'https:' ? 'wss:' : 'ws:';
  return url.href;
}

function asked({ query, variables, operationName }: Ask) {
  return {
    query,
    ...(operationName && { operationName }),
    ...(variables !== undefined && { variables: variables as Record<string, unknown> }),
  };
}

/** Turns what the clients say into results and errors that a person can read. */
export function told(sink: Sink): { next(result: object): void; error(error: unknown): void; complete(): void } {
  let cursor: string | undefined;
  const last = (result: ExecutionResult) => {
    sink.next(result);
    sink.complete();
  };
  return {
    next(result: ExecutionResult) {
      cursor = cursorIn(result) ?? cursor;
      sink.next(result);
    },
    error(error) {
      // What could not run is told as a list of errors, or as an answer with a status.
      if (Array.isArray(error)) return last({ errors: error });
      const refused = response(error)?.json() as Promise<ExecutionResult> | undefined;
      const ended = () => sink.error(new Error(ending(error, cursor)));
      if (refused) refused.then(last, ended);
      else ended();
    },
    complete: () => sink.complete(),
  };
}

/** The cursor that an item of a subscription carries. */
function cursorIn({ data }: ExecutionResult): string | undefined {
  const items = Object.values(data ?? {}) as ({ cursor?: unknown } | null)[];
  return items.map((item) => item?.cursor).find((cursor) => typeof cursor === 'string');
}

function response(error: unknown): Response | undefined {
  const { response } = (error ?? {}) as { response?: unknown };
  return response instanceof Response && !response.bodyUsed ? response : undefined;
}

function ending(error: unknown, cursor: string | undefined): string {
  const { code, reason, message } = (error ?? {}) as { code?: number; reason?: string; message?: string };
  const why = reason || message || 'the server cannot be reached';
  const what = code ? `The connection was closed (${code}): ${why}.` : `The connection ended: ${why}.`;
  return cursor ? `${what} Nothing is lost: go on with after: "${cursor}".` : what;
}
