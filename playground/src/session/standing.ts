/**
 * As whom the pages ask: a credential and the tenant to act in.
 *
 * Both are kept in the session storage of the tab and go with it. They are sent in headers (over a WebSocket, in
 * the payload of `connection_init`) and stand in no address. The refresh token of somebody who signed in is kept
 * in memory alone: a tab that is duplicated gets a copy of its storage, and a refresh token that two tabs use
 * ends the session.
 */

export interface Credential {
  /** What is sent as `Authorization: Bearer`. */
  token: string;
  /** Who signed in; a token that was pasted has nobody. */
  email?: string;
  /** When it ends, if it is known to end. */
  expiresAt?: string;
}

export interface Standing {
  readonly credential: Credential | null;
  /** The slug or id of another tenant, for who runs the hub; empty for the credential's own. */
  readonly tenant: string;
}

/** What happened: another caller, or the same one with a fresh token. */
export type Change = 'other' | 'renewed';

const KEY = 'portolan:standing';
const NOBODY: Standing = { credential: null, tenant: '' };

export class StandingStore {
  readonly #storage: Storage;
  readonly #listeners = new Set<(change: Change) => void>();
  #standing: Standing;

  constructor(storage: Storage) {
    this.#storage = storage;
    this.#standing = read(storage.getItem(KEY));
  }

  readonly current = (): Standing => this.#standing;

  readonly subscribe = (listener: (change: Change) => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  /** Goes on as somebody else, or as nobody. */
  become(credential: Credential | null): void {
    this.#set({ ...this.#standing, credential }, 'other');
  }

  /** Acts in another tenant. */
  enter(tenant: string): void {
    if (tenant !== this.#standing.tenant) this.#set({ ...this.#standing, tenant }, 'other');
  }

  /** Goes on as the same caller with another token. */
  renew(credential: Credential): void {
    this.#set({ ...this.#standing, credential }, 'renewed');
  }

  #set(standing: Standing, change: Change): void {
    this.#standing = standing;
    this.#storage.setItem(KEY, JSON.stringify(standing));
    for (const listener of this.#listeners) listener(change);
  }
}

/** The headers that say who asks; the payload of `connection_init` has the same members. */
export function headersOf({ credential, tenant }: Standing): Record<string, string> {
  return {
    ...(credential && { authorization: `Bearer ${credential.token}` }),
    ...(tenant && { 'x-portolan-tenant': tenant }),
  };
}

/** A token out of what somebody pasted, or why it is none. */
export function pasted(text: string): { token: string } | { problem: string } {
  const token = text.trim().replace(/^bearer\s+/i, '');
  if (!token) return { problem: 'Paste a token first.' };
  if (!/^[\x21-\x7e]+$/.test(token)) return { problem: 'A token has no spaces and no letters beyond ASCII.' };
  return { token };
}

function read(text: string | null): Standing {
  try {
    const { credential, tenant } = JSON.parse(text ?? '');
    const known = typeof credential?.token === 'string';
    return { credential: known ? credential : null, tenant: typeof tenant === 'string' ? tenant : '' };
  } catch {
    return NOBODY;
  }
}
