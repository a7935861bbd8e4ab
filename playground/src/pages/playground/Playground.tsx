/** GraphiQL with what it needs to talk to this hub. */

import './workers';
import { HISTORY_PLUGIN } from '@graphiql/plugin-history';
import { GraphiQL } from 'graphiql';
import 'graphiql/style.css';
import { useChoice } from '../../choice';
import { standing } from '../../session';
import { theme } from '../../theme';
import { Bar } from './Bar';
import { EXAMPLES } from './Examples';
import { createFetcher, SCHEMA_QUERY } from './fetcher';
import { Live, transport } from './live';
import './playground.css';
import { Share } from './Share';
import { shared, takeShared } from './share';

const WELCOME = `# Ctrl-Enter runs, Ctrl-Space completes.

query WhoAmI {
  viewer {
    role
    scopes
    tenant {
      name
    }
  }
}
`;

const fetcher = createFetcher(standing, new Live(standing), transport.current);
const plugins = [EXAMPLES, HISTORY_PLUGIN];
const opened = takeShared();

// A link that is pasted into the tab that shows this page changes the fragment alone.
window.addEventListener('hashchange', () => {
  if (shared(location.hash)) location.reload();
});

export default function Playground() {
  return (
    <div className="playground">
      <Bar />
      <main>
        <GraphiQL
          fetcher={fetcher}
          introspectionQueryName={SCHEMA_QUERY}
          inputValueDeprecation
          schemaDescription
          plugins={plugins}
          visiblePlugin={EXAMPLES}
          defaultQuery={WELCOME}
          {...(opened && { initialQuery: opened, initialVariables: '' })}
          defaultEditorToolsVisibility="variables"
          forcedTheme={useChoice(theme)}
          showPersistHeadersSettings={false}
          // What is typed may hold secrets, so it goes with the tab.
          storage={sessionStorage}
        >
          <GraphiQL.Logo>
            <span />
          </GraphiQL.Logo>
          <GraphiQL.Toolbar>
            {({ prettify, merge, copy }) => (
              <>
                {prettify}
                {merge}
                {copy}
                <Share />
              </>
            )}
          </GraphiQL.Toolbar>
        </GraphiQL>
      </main>
    </div>
  );
}
