/** The list of examples beside the editor. Each opens in a tab of its own, so that nothing is written over. */

import { type GraphiQLPlugin, pick, useGraphiQL, useGraphiQLActions } from '@graphiql/react';
import { useWho } from '../../session';
import { type Example, examplesOf, files, roles } from './examples';

const groups = roles.map((role) => ({ ...role, examples: examplesOf(role.folder, files) }));

export const EXAMPLES: GraphiQLPlugin = { title: 'Examples', icon: Icon, content: Examples };

function Examples() {
  const who = useWho();
  const own = who.is === 'known' ? who.viewer.role.toLowerCase().replace('_', '-') : 'anonymous';
  return (
    <section className="examples" aria-label="Examples">
      <h2>Examples</h2>
      {groups.map(({ folder, name, examples }) => (
        <details key={folder} open={folder === own}>
          <summary>{name}</summary>
          <ul>
            {examples.map((example) => (
              <li key={example.title}>
                <Opener example={example} />
              </li>
            ))}
          </ul>
        </details>
      ))}
    </section>
  );
}

function Opener({ example }: { example: Example }) {
  const { addTab } = useGraphiQLActions();
  const { queryEditor, variableEditor } = useGraphiQL(pick('queryEditor', 'variableEditor'));
  const open = () => {
    addTab();
    variableEditor?.setValue(example.variables);
    queryEditor?.setValue(example.document);
    queryEditor?.setScrollPosition({ scrollTop: 0, scrollLeft: 0 });
    queryEditor?.focus();
  };
  return (
    <button type="button" onClick={open}>
      <strong>{example.title}</strong>
      {example.about ? <span>{example.about}</span> : null}
    </button>
  );
}

function Icon() {
  return (
    <svg viewBox="0 0 16 16" width="1em" height="1em" fill="none" stroke="currentColor" aria-hidden="true">
      <path d="M3 2h7l3 3v9H3zM10 2v3h3M5.5 8h5M5.5 11h5" strokeLinejoin="round" strokeLinecap="round" />
    </svg>
  );
}
