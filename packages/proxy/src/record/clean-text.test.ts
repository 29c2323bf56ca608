import { expect, it } from 'vitest';
import { cleaned, oneLine } from './clean-text.js';

it('returns what is clean as it is', () => {
  const value = { a: ['x', 1, null, { b: true }], when: new Date(0), text: 'two\nlines\tand é' };
  expect(cleaned(value)).toBe(value);
});

it('replaces control characters wherever they are, and nothing else', () => {
  const value = { 'k\u001b': ['a\u202eb', 2, { c: 'd\u0000', at: 5, none: undefined }], __proto__: null };
  expect(cleaned(value)).toEqual({ 'k\ufffd': ['a\ufffdb', 2, { c: 'd\ufffd', at: 5, none: undefined }] });
});

it.each([
  ['a\r\nb', 'a b'],
  ['a\n\n\nb\r', 'a b '],
  ['plain', 'plain'],
  ['x\u001b[2J', 'x\ufffd[2J'],
  ['https://u:p@host/', 'https://[redacted]@host/'],
])('%j is one line', (text, wanted) => expect(oneLine(text)).toBe(wanted));
