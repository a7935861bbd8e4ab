/** A choice among a few, which outlives the tab. Nothing that is secret is chosen this way. */

import { useSyncExternalStore } from 'react';

export class Choice<Option extends string> {
  readonly options: readonly [Option, ...Option[]];
  readonly #key: string;
  readonly #listeners = new Set<() => void>();

  /** The first option is the one that nobody has to choose. */
  constructor(name: string, options: readonly [Option, ...Option[]]) {
    this.#key = `portolan:${name}`;
    this.options = options;
  }

  readonly current = (): Option => {
    const stored = localStorage.getItem(this.#key);
    return this.options.find((option) => option === stored) ?? this.options[0];
  };

  readonly choose = (option: Option): void => {
    localStorage.setItem(this.#key, option);
    for (const listener of this.#listeners) listener();
  };

  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };
}

/** What is chosen now, for components. */
export function useChoice<Option extends string>(choice: Choice<Option>): Option {
  return useSyncExternalStore(choice.subscribe, choice.current);
}
