/**
 * Operations to begin with, role by role. Each is a file in `examples/<role>`: its first line is its title, the
 * comments after it say more; a file of the same name ending in `.json` holds its variables. A test of the server
 * runs every one of them as that role.
 */

export const roles = [
  { folder: 'anonymous', name: 'Anybody' },
  { folder: 'viewer', name: 'Viewer' },
  { folder: 'operator', name: 'Operator' },
  { folder: 'admin', name: 'Admin' },
  { folder: 'super-admin', name: 'Super admin' },
  { folder: 'partner', name: 'Partner' },
] as const;

export interface Example {
  title: string;
  /** What is worth knowing about it, in a sentence or two. */
  about: string;
  document: string;
  variables: string;
}

type Files = Record<string, string>;

/** Reads the examples of a role out of all files, in the order of their names. */
export function examplesOf(folder: string, files: Files): Example[] {
  const own = Object.keys(files).filter((path) => path.includes(`/${folder}/`) && path.endsWith('.graphql'));
  return own.sort().map((path) => {
    const document = files[path] ?? '';
    const comments = document
      .split('\n')
      .filter((line) => line.startsWith('#'))
      .map((line) => line.slice(1).trim());
    const [title = '', ...about] = comments;
    return { title, about: about.join(' '), document, variables: files[path.replace(/graphql$/, 'json')] ?? '' };
  });
}

/** Every file there is. */
export const files: Files = import.meta.glob('./examples/*/*', { query: '?raw', import: 'default', eager: true });
