import { describe, expect, it } from 'vitest';
import { orderParts, withDependencies } from './part-order.js';

const parts = (after: Record<string, string[]>) =>
  Object.fromEntries(Object.entries(after).map(([name, list]) => [name, { after: list }]));

describe('orderParts', () => {
  it('puts dependencies first and free parts in order of their names', () => {
    expect(orderParts(parts({ z: [], app: ['lib', 'tool'], tool: [], lib: ['tool'] }))).toEqual([
      'tool',
      'lib',
      'app',
      'z',
    ]);
  });

  it.each([
    ['two', { a: ['b'], b: ['a'] }, 'a → b → a'],
    ['three behind a free one', { free: [], a: ['c'], b: ['a'], c: ['b', 'free'] }, 'a → c → b → a'],
    ['reached from outside', { a: ['b'], b: ['c'], c: ['b'] }, 'b → c → b'],
  ])('names a cycle of %s', (_name, after, cycle) => {
    expect(() => orderParts(parts(after))).toThrowError(
      expect.objectContaining({ code: 'CRAFT_PART_CYCLE', message: expect.stringContaining(cycle) }),
    );
  });
});

describe('withDependencies', () => {
  it('brings what the named parts need and nothing else', () => {
    const all = parts({ app: ['lib'], lib: ['base'], base: [], other: [] });
    expect(withDependencies(['lib'], all)).toEqual(['base', 'lib']);
  });
});
