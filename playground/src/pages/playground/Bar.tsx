/** The bar above the editor: who asks, in which tenant, over what, in which light. */

import { type FormEvent, useId, useRef } from 'react';
import { type Choice, useChoice } from '../../choice';
import { session, standing, useStanding, useWho } from '../../session';
import { CredentialDialog } from '../../session/CredentialDialog';
import type { Who } from '../../session/who';
import { theme } from '../../theme';
import { transport } from './live';

/** Options as people call them. */
const NAMES: Record<string, string> = {
  websocket: 'WebSocket',
  sse: 'Event stream (SSE)',
  system: 'As the system',
  light: 'Light',
  dark: 'Dark',
};

export function Bar() {
  const { credential } = useStanding();
  const dialog = useRef<HTMLDialogElement>(null);
  return (
    <header className="bar">
      <h1>
        Portolan <span>playground</span>
      </h1>
      <p role="status" className="who">
        {inWords(useWho(), credential?.email)}
      </p>
      {credential ? (
        <button type="button" onClick={() => session.signOut()}>
          {credential.email ? 'Sign out' : 'Forget the token'}
        </button>
      ) : null}
      <button type="button" className={credential ? '' : 'primary'} onClick={() => dialog.current?.showModal()}>
        {credential ? 'Change' : 'Sign in'}
      </button>
      <Tenant />
      <Choose label="Subscriptions over" choice={transport} />
      <Choose label="Theme" choice={theme} />
      <CredentialDialog dialog={dialog} />
    </header>
  );
}

/** Who asks, as one reads it. */
export function inWords(who: Who, email: string | undefined): string {
  switch (who.is) {
    case 'nobody':
      return 'Not signed in';
    case 'asked':
      return 'Asking who you are…';
    case 'refused':
      return `The server refuses this credential: ${who.message}`;
    case 'known': {
      const { role, tenant } = who.viewer;
      const place = tenant ? ` in ${tenant.name} (${tenant.slug})` : '';
      return `${email ?? 'A token'}: ${role}${place}`;
    }
  }
}

function Tenant() {
  const { tenant } = useStanding();
  const field = useRef<HTMLInputElement>(null);
  const enter = (event?: FormEvent) => {
    event?.preventDefault();
    standing.enter(field.current?.value.trim() ?? '');
  };
  return (
    <form onSubmit={enter}>
      <label title="For who runs the hub: the slug of another tenant, sent as X-Portolan-Tenant">
        Tenant
        <input
          ref={field}
          defaultValue={tenant}
          placeholder="your own"
          size={10}
          autoComplete="off"
          spellCheck={false}
          onBlur={() => enter()}
        />
      </label>
    </form>
  );
}

function Choose<Option extends string>({ label, choice }: { label: string; choice: Choice<Option> }) {
  const id = useId();
  return (
    <label htmlFor={id}>
      {label}
      <select id={id} value={useChoice(choice)} onChange={(event) => choice.choose(event.target.value as Option)}>
        {choice.options.map((option) => (
          <option key={option} value={option}>
            {NAMES[option] ?? option}
          </option>
        ))}
      </select>
    </label>
  );
}
