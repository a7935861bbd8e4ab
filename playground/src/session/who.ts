/**
 * What the server says about who asks. It is asked anew whenever the caller changes; what it said about the same
 * caller before a renewal stays until it has said something else.
 */

import { WhoAmIDocument, type WhoAmIQuery } from '../api/documents';
import { ask } from '../api/request';
import { type Change, headersOf, type StandingStore } from './standing';

export type Who =
  | { is: 'nobody' }
  | { is: 'asked' }
  | { is: 'known'; viewer: WhoAmIQuery['viewer'] }
  | { is: 'refused'; message: string };

export class WhoStore {
  readonly #standing: StandingStore;
  readonly #listeners = new Set<() => void>();
  #who: Who = { is: 'nobody' };

  constructor(standing: StandingStore) {
    this.#standing = standing;
    standing.subscribe((change) => this.#look(change));
    this.#look('other');
  }

  readonly current = (): Who => this.#who;

  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  async #look(change: Change): Promise<void> {
    const asked = this.#standing.current();
    if (!asked.credential) return this.#say({ is: 'nobody' });
    if (change === 'other') this.#say({ is: 'asked' });
    const who = await ask(WhoAmIDocument, {}, headersOf(asked)).then(
      ({ viewer }): Who => ({ is: 'known', viewer }),
      (error: Error): Who => ({ is: 'refused', message: error.message }),
    );
    if (this.#standing.current() === asked) this.#say(who);
  }

  #say(who: Who): void {
    this.#who = who;
    for (const listener of this.#listeners) listener();
  }
}
