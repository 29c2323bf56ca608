import { expect, it } from 'vitest';
import { matchesHostGlob } from './upstream-proxy.js';

it.each([
  ['a.example', 'a.example', true],
  ['a.example', 'b.a.example', false],
  ['*.example', 'a.example', true],
  ['*.example', 'a.b.example', true],
  ['*.example', 'example', false],
  ['*', 'anything', true],
  ['', '', true],
  ['', 'a', false],
  ['h?st', 'host', true],
  ['h?st', 'hoost', false],
  ['a*b*c', 'axxbxxc', true],
  ['a*b*c', 'axxbxx', false],
  ['a.example', 'aXexample', false],
  ['[a].example', 'a.example', false],
])('matchesHostGlob(%j, %j) is %s', (pattern, host, expected) => {
  expect(matchesHostGlob(pattern, host)).toBe(expected);
});

it('takes no exponential time', () => {
  const started = performance.now();
  expect(matchesHostGlob(`${'*a'.repeat(100)}b`, 'a'.repeat(250))).toBe(false);
  expect(performance.now() - started).toBeLessThan(200);
});
