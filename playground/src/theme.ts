/** Light, dark, or as the system says: one choice for all pages. */

import { Choice } from './choice';

export const theme = new Choice('theme', ['system', 'light', 'dark']);

/** Shows the page in the theme that is chosen, from now on. */
export function showTheme(): void {
  const show = () => {
    document.documentElement.dataset.theme = theme.current();
  };
  theme.subscribe(show);
  show();
}
