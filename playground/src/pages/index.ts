/**
 * Every page, with the path under which the binary serves it. A page is a folder here and a line in this table;
 * it is loaded when it is opened, so that one page does not pay for another.
 */

import { type ComponentType, lazy } from 'react';

export interface Page {
  /** The path without a slash at its end. */
  path: string;
  /** What the tab of the browser says. */
  title: string;
  /** What is shown. */
  Content: ComponentType;
}

export const pages: Page[] = [
  { path: '/playground', title: 'Playground', Content: lazy(() => import('./playground/Playground')) },
];

/** The page of a path; where none fits, the first one. */
export function pageAt(path: string): Page | undefined {
  const bare = path.replace(/\/+$/, '');
  return pages.find((page) => page.path === bare) ?? pages[0];
}
