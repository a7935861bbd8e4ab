/** GraphiQL with what it needs to talk to this hub. */

import './workers';
import { HISTORY_PLUGIN } from '@graphiql/plugin-history';
import { GraphiQL } from 'graphiql';
import 'graphiql/style.css';
import { standing } from '../../session';
import { useTheme } from '../../theme';
import { Bar } from './Bar';
import { EXAMPLES } from './Examples';
import { createFetcher, SCHEMA_QUERY } from './fetcher';
import { Live } from './live';
import './playground.css';
import { Share } from './Share';
import { takeShared } from './share';
import { transport } from './transport';

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
          forcedTheme={useTheme()}
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
