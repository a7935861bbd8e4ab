/** The button that makes a link to the document in the editor. */

import { ToolbarButton, useGraphiQL } from '@graphiql/react';
import { useState } from 'react';
import { linkTo } from './share';

export function Share() {
  const queryEditor = useGraphiQL((state) => state.queryEditor);
  const [said, setSaid] = useState('');
  const share = async () => {
    const link = linkTo(location.href, queryEditor?.getValue() ?? '');
    // In the address in any case: pages that came without TLS may not write to the clipboard.
    history.replaceState(history.state, '', link);
    try {
      await navigator.clipboard.writeText(link);
      setSaid('The link was copied; it holds the document and nothing else.');
    } catch {
      setSaid('The link is in the address bar; it holds the document and nothing else.');
    }
  };
  return (
    <>
      <ToolbarButton label="Copy a link to this document" onClick={share}>
        <Icon />
      </ToolbarButton>
      <span role="status" className="visually-hidden">
        {said}
      </span>
    </>
  );
}

function Icon() {
  return (
    <svg
      className="graphiql-toolbar-icon"
      viewBox="0 0 16 16"
      width="1em"
      height="1em"
      fill="none"
      stroke="currentColor"
      aria-hidden="true"
    >
      <path d="M7 9l6-6M9 3h4v4M12 9.5V13H3V4h3.5" strokeLinejoin="round" strokeLinecap="round" />
    </svg>
  );
}
