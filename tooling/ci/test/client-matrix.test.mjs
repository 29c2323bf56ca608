import { expect, it } from 'vitest';
import { withMatrix } from '../client-matrix.mjs';

const page = 'before\n<!-- craft doctor: begin -->\nold\n<!-- craft doctor: end -->\nafter\n';

it('replaces what is between the markers, again and again', () => {
  const once = withMatrix(page, '| new |\n\n');
  expect(once).toBe(page.replace('old', '| new |'));
  expect(withMatrix(once, '| new |')).toBe(once);
});

it.each(['', 'begin', page.replace('doctor: end', 'doctor: fin')])('wants both markers', (text) => {
  expect(() => withMatrix(text, '')).toThrow(/has no lines/);
});
