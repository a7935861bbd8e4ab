/** Where somebody signs in, or pastes a token. */

import { type FormEvent, type RefObject, useId, useState } from 'react';
import { session, standing } from './index';
import { pasted } from './standing';

interface Props {
  dialog: RefObject<HTMLDialogElement | null>;
}

export function CredentialDialog({ dialog }: Props) {
  const title = useId();
  const done = () => dialog.current?.close();
  return (
    <dialog ref={dialog} className="credential" aria-labelledby={title}>
      <h2 id={title}>As whom to ask</h2>
      <SignIn done={done} />
      <PasteToken done={done} />
      <p className="small">
        The token is kept in this tab until it is closed. It is sent to this server in a header, and put into no
        address.
      </p>
      <button type="button" onClick={done}>
        Cancel
      </button>
    </dialog>
  );
}

function SignIn({ done }: { done: () => void }) {
  const [email, setEmail] = useState('');
  const [password, setPassword] = useState('');
  const [problem, setProblem] = useState('');
  const [busy, setBusy] = useState(false);
  const submit = async (event: FormEvent) => {
    event.preventDefault();
    setBusy(true);
    setProblem('');
    try {
      await session.signIn(email.trim(), password);
      setPassword('');
      done();
    } catch (error) {
      setProblem(`Not signed in: ${(error as Error).message}`);
    } finally {
      setBusy(false);
    }
  };
  return (
    <form onSubmit={submit} aria-label="Sign in">
      <label>
        Email
        <input
          type="email"
          autoComplete="username"
          required
          value={email}
          onChange={(event) => setEmail(event.target.value)}
        />
      </label>
      <label>
        Password
        <input
          type="password"
          autoComplete="current-password"
          required
          value={password}
          onChange={(event) => setPassword(event.target.value)}
        />
      </label>
      <Problem text={problem} />
      <button type="submit" className="primary" disabled={busy}>
        {busy ? 'Signing in…' : 'Sign in'}
      </button>
    </form>
  );
}

function PasteToken({ done }: { done: () => void }) {
  const [text, setText] = useState('');
  const [problem, setProblem] = useState('');
  const submit = (event: FormEvent) => {
    event.preventDefault();
    const read = pasted(text);
    if ('problem' in read) return setProblem(read.problem);
    setText('');
    setProblem('');
    standing.become({ token: read.token });
    done();
  };
  return (
    <form onSubmit={submit} aria-label="Use a token">
      <label>
        <span>
          Or a token, such as <code>portolan token create</code> prints
        </span>
        <input
          type="password"
          autoComplete="off"
          spellCheck={false}
          value={text}
          onChange={(event) => setText(event.target.value)}
        />
      </label>
      <Problem text={problem} />
      <button type="submit">Use the token</button>
    </form>
  );
}

/** Said aloud when it appears. */
function Problem({ text }: { text: string }) {
  return (
    <p role="alert" className="problem">
      {text}
    </p>
  );
}
