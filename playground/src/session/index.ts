/** The one standing of this tab, and what components see of it. */

import { useSyncExternalStore } from 'react';
import { Session } from './session';
import { type Standing, StandingStore } from './standing';
import { type Who, WhoStore } from './who';

export const standing = new StandingStore(sessionStorage);
export const session = new Session(standing);
const who = new WhoStore(standing);

export function useStanding(): Standing {
  return useSyncExternalStore(standing.subscribe, standing.current);
}

export function useWho(): Who {
  return useSyncExternalStore(who.subscribe, who.current);
}
