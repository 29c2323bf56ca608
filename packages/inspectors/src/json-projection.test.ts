import { describe, expect, it } from 'vitest';
import { chunked } from '../test/fakes.js';
import { type JsonAction, type JsonLimits, projectJson } from './json-projection.js';

const everything = () => 'take' as const;

async function read(
  text: string | Buffer,
  select: (path: string) => JsonAction = everything,
  options: Partial<JsonLimits> & { piece?: number } = {},
): Promise<Record<string, unknown>> {
  const taken: Record<string, unknown> = {};
  const projection = {
    select: (path: readonly string[]) => select(path.join('.')),
    take: (path: readonly string[], value: unknown) => {
      taken[path.join('.')] = value;
    },
  };
  await projectJson(chunked(Buffer.from(text), options.piece), projection, { maxBytes: 2 ** 20, ...options });
  return taken;
}

describe('projectJson', () => {
  const document =
    '{"name":"x","readme":"long \\"text\\" [","v":{"1.0.0":{"a":[1,{"b":null}],"t":"é😀"},"2":{}},"n":-1.5e3}';
  const select = (path: string): JsonAction =>
    path === '' || path === 'v' || path === 'v.1.0.0' ? 'enter' : path === 'readme' ? 'skip' : 'take';

  it.each([1, 2, 3, 7, 1000])('keeps what is selected, in pieces of %d bytes', async (piece) => {
    expect(await read(document, select, { piece })).toEqual({
      name: 'x',
      'v.1.0.0.a': [1, { b: null }],
      'v.1.0.0.t': 'é😀',
      'v.2': {},
      n: -1500,
    });
  });

  it.each(['1', '"a"', 'null', 'true', '[]', '{}', ' [ 1 , 2 ] ', '-0.0', '"\\u00e9\\n"', '{"":{}}', '1e400'])(
    'takes %s whole like JSON.parse',
    async (text) => expect(await read(text, everything, { piece: 1 })).toEqual({ '': JSON.parse(text) }),
  );

  it.each([
    ['nothing', ''],
    ['blanks', ' \n'],
    ['an open object', '{"a":1'],
    ['an open string', '"abc'],
    ['half an escape', '"\\u00'],
    ['half a literal', 'tru'],
    ['a wrong literal', 'trux'],
    ['a bare word', 'hello'],
    ['html', '<html>'],
    ['two documents', '{}{}'],
    ['text behind', '{} x'],
    ['a trailing comma', '[1,]'],
    ['a trailing comma in an object', '{"a":1,}'],
    ['no comma', '[1 2]'],
    ['no colon', '{"a" 1}'],
    ['a number as key', '{1:2}'],
    ['crossed brackets', '[}'],
    ['crossed brackets further in', '{"a":[1}]'],
    ['a leading zero', '01'],
    ['a lone minus', '-'],
    ['a number like 1.', '1.'],
    ['a newline in a string', '"a\nb"'],
    ['an unknown escape', '"\\x"'],
    ['a bad hex escape', '"\\u00zz"'],
    ['single quotes', "'a'"],
    ['a comment', '/* x */ 1'],
    ['a byte order mark', '\uFEFF{}'],
    ['invalid UTF-8', Buffer.from([0x22, 0xff, 0x22])],
    ['UTF-8 cut off', Buffer.from([0x22, 0x61, 0x22, 0xc3])],
    ['an overlong encoding', Buffer.from([0x22, 0xc0, 0xaf, 0x22])],
  ])('refuses %s, as JSON.parse does', async (_name, text) => {
    for (const action of ['take', 'skip'] as const) {
      for (const piece of [1, 100]) {
        await expect(read(text, () => action, { piece })).rejects.toThrow(/\(byte \d+\)/);
      }
    }
  });

  it('refuses a key twice where it looks, not elsewhere', async () => {
    const text = '{"a":1,"\\u0061":2}';
    await expect(read(text, (path) => (path === '' ? 'enter' : 'take'))).rejects.toThrow(/the key "a" twice/);
    expect(await read(text)).toEqual({ '': { a: 2 } });
  });

  it('keeps __proto__ an ordinary key', async () => {
    const taken = new Map<string, unknown>();
    const projection = {
      select: (path: readonly string[]): JsonAction => (path.length < 1 ? 'enter' : 'take'),
      take: (path: readonly string[], value: unknown) => void taken.set(path.join('.'), value),
    };
    await projectJson(chunked(Buffer.from('{"__proto__":{"x":1}}')), projection, { maxBytes: 100 });
    expect([...taken]).toEqual([['__proto__', { x: 1 }]]);
  });

  it.each([
    ['a document too large', '[1,2,3,4,5,6,7,8]', { maxBytes: 8 }, /larger than 8 bytes/],
    ['a value too long', `"${'x'.repeat(100)}"`, { maxValueBytes: 50 }, /longer than 50 bytes/],
    ['nesting too deep', '['.repeat(600), {}, /deeper than 512/],
    ['a number without end', '1'.repeat(2000), { maxValueBytes: 1000 }, /number too long/],
  ])('bounds %s', async (_name, text, limits, reason) => {
    await expect(read(text, everything, limits)).rejects.toThrow(reason);
  });

  it('wants objects where it enters', async () => {
    await expect(read('{"versions":[]}', () => 'enter')).rejects.toThrow('expected an object at versions');
  });

  it('reads tens of megabytes in bounded memory', async () => {
    const part = Buffer.from(`,"k":{"readme":"${'text '.repeat(20_000)}"}`);
    const { Readable } = await import('node:stream');
    const document = Readable.from(
      (function* () {
        yield Buffer.from('{"a":1');
        for (let i = 0; i < 300; i += 1) yield Buffer.from(part.toString().replace('"k"', `"k${i}"`));
        yield Buffer.from('}');
      })(),
      { objectMode: false },
    );
    const taken: unknown[] = [];
    const projection = {
      select: (path: readonly string[]): JsonAction =>
        path.length === 0 ? 'enter' : path[0] === 'a' ? 'take' : 'skip',
      take: (_path: readonly string[], value: unknown) => void taken.push(value),
    };
    await projectJson(document, projection, { maxBytes: 2 ** 26 });
    expect(taken).toEqual([1]);
  });
});
