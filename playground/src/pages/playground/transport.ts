/** Which transport subscriptions take; the choice outlives the tab. */

import { useSyncExternalStore } from 'react';
import { type Transport, transports } from './live';

const KEY = 'portolan:transport';
const listeners = new Set<() => void>();

export const transport = {
  current(): Transport {
    const text = localStorage.getItem(KEY);
    return transports.find((transport) => transport === text) ?? 'websocket';
  },

  choose(next: Transport) {
    localStorage.setItem(KEY, next);
    for (const listener of listeners) listener();
  },

  subscribe(listener: () => void) {
    listeners.add(listener);
    return () => listeners.delete(listener);
  },
};

export function useTransport(): Transport {
  return useSyncExternalStore(transport.subscribe, transport.current);
}
