/**
 * Signing in, staying signed in, signing out.
 *
 * An access token is renewed a while before it ends, as long as the page stays open. After a reload the page has
 * the access token only, and its end is the end of the session here.
 */

import { RefreshSessionDocument, SignInDocument, SignOutDocument } from '../api/documents';
import { ask } from '../api/request';
import { headersOf, type StandingStore } from './standing';

/** How long before its end a token is renewed, in milliseconds; of a short life, half of it. */
const AHEAD = 60_000;

interface Tokens {
  accessToken: string;
  accessTokenExpiresAt: string;
  refreshToken: string;
}

export class Session {
  readonly #standing: StandingStore;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(standing: StandingStore) {
    this.#standing = standing;
    standing.subscribe((change) => {
      if (change === 'other') clearTimeout(this.#timer);
    });
  }

  /** Signs in by address and password; a refusal is thrown with the server's words. */
  async signIn(email: string, password: string): Promise<void> {
    const { session, userErrors } = (await ask(SignInDocument, { email, password }, {})).signIn;
    if (!session) throw new Error(userErrors[0]?.message ?? 'the server did not say why');
    this.#standing.become({ token: session.accessToken, email, expiresAt: session.accessTokenExpiresAt });
    this.#keep(email, session);
  }

  /** Ends the session, here in any case, and on the server if it can be reached. */
  async signOut(): Promise<void> {
    const headers = headersOf(this.#standing.current());
    const { credential } = this.#standing.current();
    this.#standing.become(null);
    if (credential?.email) await ask(SignOutDocument, {}, headers).catch(() => undefined);
  }

  /** Renews in time, again and again. */
  #keep(email: string, tokens: Tokens): void {
    const left = Date.parse(tokens.accessTokenExpiresAt) - Date.now();
    this.#timer = setTimeout(() => this.#renew(email, tokens.refreshToken), Math.max(left - AHEAD, left / 2, 0));
  }

  async #renew(email: string, refreshToken: string): Promise<void> {
    const before = this.#standing.current().credential;
    // What cannot be renewed now ends in a minute, and the next request says so.
    const renewed = await ask(RefreshSessionDocument, { refreshToken }, {}).catch(() => undefined);
    const session = renewed?.refreshSession.session;
    if (!session || this.#standing.current().credential !== before) return;
    this.#standing.renew({ token: session.accessToken, email, expiresAt: session.accessTokenExpiresAt });
    this.#keep(email, session);
  }
}
