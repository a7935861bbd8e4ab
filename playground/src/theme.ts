/**
 * Light, dark, or as the system says. The choice holds for all pages and outlives the tab.
 */

import { useSyncExternalStore } from 'react';

export const themes = ['system', 'light', 'dark'] as const;
export type Theme = (typeof themes)[number];

const KEY = 'portolan:theme';
const listeners = new Set<() => void>();

function stored(): Theme {
  const text = localStorage.getItem(KEY);
  return themes.find((theme) => theme === text) ?? 'system';
}

export const theme = {
  current: stored,

  /** Shows the page in it. */
  apply() {
    document.documentElement.dataset.theme = stored();
  },

  choose(next: Theme) {
    localStorage.setItem(KEY, next);
    theme.apply();
    for (const listener of listeners) listener();
  },

  subscribe(listener: () => void) {
    listeners.add(listener);
    return () => listeners.delete(listener);
  },
};

/** The chosen theme, for components. */
export function useTheme(): Theme {
  return useSyncExternalStore(theme.subscribe, theme.current);
}
