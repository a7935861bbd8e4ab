import { expect, test, vi } from 'vitest';
import { socketUrl, told } from './live';

function sink() {
  return { next: vi.fn(), error: vi.fn(), complete: vi.fn() };
}

test('sockets go to the host of the page, encrypted where the page is', () => {
  expect(socketUrl('http://127.0.0.1:8080/playground')).toBe('ws://127.0.0.1:8080/graphql');
  expect(socketUrl('https://hub.example.com/playground#x')).toBe('wss://hub.example.com/graphql');
});

test('an end that nobody wished is told with the cursor behind which to go on', () => {
  const listener = sink();
  const teller = told(listener);
  teller.next({ data: { events: { cursor: 'one' } } });
  teller.next({ data: { events: { cursor: 'two' } } });
  teller.error({ code: 4403, reason: 'the credential has expired' });
  const [error] = listener.error.mock.calls[0] ?? [];
  expect(error.message).toBe(
    'The connection was closed (4403): the credential has expired. Nothing is lost: go on with after: "two".',
  );
});

test('without a cursor nothing is promised', () => {
  const listener = sink();
  told(listener).error(new Error('it broke'));
  expect(listener.error.mock.calls[0]?.[0].message).toBe('The connection ended: it broke.');
});

test('errors of the operation are shown as an answer', () => {
  const listener = sink();
  const errors = [{ message: 'there is no such field' }];
  told(listener).error(errors);
  expect(listener.next).toHaveBeenCalledWith({ errors });
  expect(listener.complete).toHaveBeenCalledOnce();
  expect(listener.error).not.toHaveBeenCalled();
});

test('a refusal with a status is shown as the answer that came with it', async () => {
  const listener = sink();
  const answer = { errors: [{ message: 'sign in first' }] };
  const error = Object.assign(new Error('401'), { response: new Response(JSON.stringify(answer), { status: 401 }) });
  told(listener).error(error);
  await vi.waitFor(() => expect(listener.next).toHaveBeenCalledWith(answer));
  const proxy = Object.assign(new Error('bad gateway'), { response: new Response('<html>', { status: 502 }) });
  told(listener).error(proxy);
  await vi.waitFor(() => expect(listener.error.mock.calls[0]?.[0].message).toContain('bad gateway'));
});
