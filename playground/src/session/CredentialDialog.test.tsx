import { cleanup, fireEvent, render, screen, waitFor } from '@testing-library/react';
import { createRef } from 'react';
import { afterEach, expect, test, vi } from 'vitest';
import { CredentialDialog } from './CredentialDialog';
import { standing } from './index';

afterEach(() => {
  cleanup();
  standing.become(null);
});

function opened() {
  const dialog = createRef<HTMLDialogElement>();
  render(<CredentialDialog dialog={dialog} />);
  dialog.current?.showModal();
  return dialog;
}

function type(label: RegExp | string, value: string) {
  fireEvent.change(screen.getByLabelText(label), { target: { value } });
}

test('a refusal is announced, and the form stays to be corrected', async () => {
  const refusal = {
    data: { signIn: { session: null, userErrors: [{ message: 'the address or the password is wrong' }] } },
  };
  vi.stubGlobal('fetch', async () => new Response(JSON.stringify(refusal)));
  const dialog = opened();
  type('Email', 'ada@example.com');
  type('Password', 'wrong');
  fireEvent.submit(screen.getByRole('form', { name: 'Sign in' }));
  await waitFor(() => screen.getByText('Not signed in: the address or the password is wrong'));
  expect(dialog.current?.open).toBe(true);
  expect(standing.current().credential).toBeNull();
});

test('a pasted token is taken, and does not stay in the form', () => {
  vi.stubGlobal('fetch', async () => new Response('{}'));
  const dialog = opened();
  type(/Or a token/, 'Bearer ptl_x');
  fireEvent.submit(screen.getByRole('form', { name: 'Use a token' }));
  expect(standing.current().credential).toEqual({ token: 'ptl_x' });
  expect(dialog.current?.open).toBe(false);
  expect((screen.getByLabelText(/Or a token/) as HTMLInputElement).value).toBe('');
});

test('what is no token is refused where it stands', () => {
  const dialog = opened();
  type(/Or a token/, 'two words');
  fireEvent.submit(screen.getByRole('form', { name: 'Use a token' }));
  screen.getByText(/A token has no spaces/);
  expect(dialog.current?.open).toBe(true);
});
