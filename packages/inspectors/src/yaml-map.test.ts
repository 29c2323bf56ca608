import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { readYaml, readYamlMap } from './yaml-map.js';

describe('readYamlMap', () => {
  it('reads texts, numbers and lists, own keys only', () => {
    const map = readYamlMap('name: a\nversion: 1.10\nlist: [x, 2, {y: 1}]\nnone:\n', 'x.yaml');
    expect([map.text('name'), map.text('version'), map.text('none'), map.text('constructor')]).toEqual([
      'a',
      '1.1',
      '',
      '',
    ]);
    expect([map.texts('list'), map.texts('name'), map.texts('none')]).toEqual([['x', '2'], ['a'], []]);
  });

  it.each([
    ['a list', '- a', /no YAML mapping/],
    ['nothing', '', /no YAML mapping/],
    ['a key twice', 'a: 1\na: 2', /no YAML/],
    ['two documents', 'a: 1\n---\nb: 1', /no YAML/],
    ['an alias of nothing', 'a: *x', /no YAML/],
    [
      'aliases of aliases',
      `a: &a [1,1,1,1,1,1,1,1]\nb: &b [${'*a,'.repeat(8)}]\nc: &c [${'*b,'.repeat(8)}]\nd: [${'*c,'.repeat(8)}]`,
      /no YAML/,
    ],
    ['brackets without end', '['.repeat(100_000), /nested too deep/],
    ['dashes without end', '- '.repeat(100_000), /nested too deep/],
    ['too much', `a: ${'x'.repeat(1 << 20)}`, /longer than/],
  ])('refuses %s', (_name, text, message) => expect(() => readYamlMap(text, 'x.yaml')).toThrow(message));

  it('keeps a prototype out', () => {
    const map = readYamlMap('__proto__: {admin: yes}\nname: a', 'x.yaml');
    expect((map.value('name') as { admin?: unknown }).admin).toBeUndefined();
    expect(({} as { admin?: unknown }).admin).toBeUndefined();
  });

  it('never breaks on any text', () =>
    fc.assert(
      fc.property(
        fc.array(
          fc.constantFrom(
            'a',
            ': ',
            '\n',
            '- ',
            '[',
            ']',
            '{',
            '}',
            '&x ',
            '*x',
            '!t ',
            '"',
            "'",
            '|\n',
            '  ',
            '? ',
            '%',
            '#',
            ',',
          ),
          { maxLength: 60 },
        ),
        (parts) => {
          try {
            readYaml(parts.join(''), 'x.yaml');
          } catch (error) {
            expect(error).toBeInstanceOf(Error);
            expect((error as Error).message).toMatch(/^x\.yaml is/);
          }
        },
      ),
      { numRuns: 2000 },
    ));
});
