import { beforeEach, expect, test, vi } from 'vitest';
import { Choice } from './choice';

beforeEach(() => localStorage.clear());

test('the first option holds until another is chosen, and then for every tab', () => {
  const choice = new Choice('colour', ['red', 'blue']);
  const hear = vi.fn();
  choice.subscribe(hear);
  expect(choice.current()).toBe('red');
  choice.choose('blue');
  expect(hear).toHaveBeenCalledOnce();
  expect(new Choice('colour', ['red', 'blue']).current()).toBe('blue');
});

test('what is stored and is no option is passed over', () => {
  localStorage.setItem('portolan:colour', 'green');
  expect(new Choice('colour', ['red', 'blue']).current()).toBe('red');
});
