import { describe, expect, it } from 'vitest';
import { hex, packageParagraph } from '../../test/apt-fixtures.js';
import { chunked } from '../../test/fakes.js';
import { FormatProblem } from './format-problem.js';
import { parsePackages } from './packages-index.js';

const parse = (text: string | Uint8Array, size?: number) =>
  parsePackages(chunked(typeof text === 'string' ? Buffer.from(text) : text, size) as AsyncIterable<Buffer>);
const path = 'pool/main/h/hello/hello_1.0-1_amd64.deb';

describe('parsePackages', () => {
  it.each([1, 13, 1021, 1 << 20])('reads paragraphs from chunks of %s bytes', async (size) => {
    const text =
      packageParagraph('one') +
      packageParagraph('two', {
        Package: 'two',
        Version: '1:2~rc',
        Architecture: 'all',
        Filename: './pool/two.deb',
        SHA512: hex('sha512', 'two'),
      });
    const index = await parse(text, size);
    expect(index.count).toBe(2);
    expect(index.find(path)).toEqual({
      name: 'hello',
      version: '1.0-1',
      architecture: 'amd64',
      path,
      size: 3,
      sha256: hex('sha256', 'one'),
    });
    expect(index.find('pool/two.deb')).toMatchObject({
      architecture: 'all',
      version: '1:2~rc',
      sha512: hex('sha512', 'two'),
    });
    expect(index.find('pool/none.deb')).toBeUndefined();
    expect(index.find('')).toBeUndefined();
    expect(index.find(path.slice(0, -1))).toBeUndefined();
    expect(index.find(`${path}\0hello`)).toBeUndefined();
    expect(index.weight).toBeGreaterThan(0);
  });

  it('takes an empty file, CRLF, names in other case, blank lines at both ends and no last line end', async () => {
    expect((await parse('')).count).toBe(0);
    const text = packageParagraph('one').replace('Package:', 'PACKAGE:').replace('Size:', 'size:').trimEnd();
    const index = await parse(`\r\n\r\n${text.replaceAll('\n', '\r\n')}`);
    expect(index.find(path)?.sha256).toBe(hex('sha256', 'one'));
  });

  it('takes the same paragraph twice, and two packages for one file that agree', async () => {
    const index = await parse(packageParagraph('one') + packageParagraph('one', { Description: 'again' }));
    expect(index.count).toBe(2);
    expect(index.find(path)?.name).toBe('hello');
  });

  it('does not mind other fields: unknown, repeated, long, in another encoding', async () => {
    const text = Buffer.concat([
      Buffer.from(packageParagraph('one').trimEnd()),
      Buffer.from('\nX-Long: '),
      Buffer.alloc((1 << 20) - 100, 'x'),
      Buffer.from('\nX-Latin: \xe4\xf6\nTag: a\nTag: b\n\n', 'latin1'),
    ]);
    expect((await parse(text)).find(path)?.size).toBe(3);
  });

  it('keeps what vouches of 3 000 packages, some without SHA512', async () => {
    const text = Array.from({ length: 3000 }, (_, i) =>
      packageParagraph(`${i}`, {
        Package: `p${i}`,
        Filename: `pool/p${i}.deb`,
        SHA512: i % 3 ? undefined : hex('sha512', `${i}`),
      }),
    ).join('');
    const index = await parse(text);
    for (const i of [0, 1, 2, 3, 1500, 2997, 2998, 2999]) {
      expect(index.find(`pool/p${i}.deb`)).toMatchObject({
        name: `p${i}`,
        sha256: hex('sha256', `${i}`),
      });
      expect(index.find(`pool/p${i}.deb`)?.sha512).toBe(i % 3 === 0 ? hex('sha512', `${i}`) : undefined);
    }
  });

  const without = (name: string) => packageParagraph('one', { [name]: undefined });
  it.each<[string, string | Uint8Array, RegExp]>([
    ...['Package', 'Version', 'Architecture', 'Filename', 'Size', 'SHA256'].map((name): [string, string, RegExp] => [
      `no ${name}`,
      without(name),
      new RegExp(`lacks ${name.toLowerCase()}`),
    ]),
    ['an empty Version', packageParagraph('one', { Version: '' }), /lacks version/],
    ['only MD5sum', packageParagraph('one', { SHA256: undefined, MD5sum: hex('md5', 'one') }), /lacks sha256/],
    ['a field twice', `Package: a\n${packageParagraph('one')}`, /field package a second time/],
    [
      'a digest twice in another case',
      packageParagraph('one').replace('\n\n', `\nsha256: ${'a'.repeat(64)}\n\n`),
      /sha256 a second time/,
    ],
    ['a short digest', packageParagraph('one', { SHA256: 'abc' }), /has the SHA256/],
    ['a SHA512 that is none', packageParagraph('one', { SHA512: 'xyz' }), /has the SHA512/],
    ['a negative size', packageParagraph('one', { Size: '-3' }), /has the Size/],
    ['a size in hex', packageParagraph('one', { Size: '0x3' }), /has the Size/],
    ['a path upwards', packageParagraph('one', { Filename: 'pool/../../etc/passwd' }), /unsafe Filename/],
    ['an absolute path', packageParagraph('one', { Filename: '/etc/passwd' }), /unsafe Filename/],
    ['one file, two digests', packageParagraph('one') + packageParagraph('two'), /disagree about/],
    ['one file, two versions', packageParagraph('one') + packageParagraph('one', { Version: '2' }), /disagree about/],
    [
      'one file, two architectures',
      packageParagraph('one') + packageParagraph('one', { Architecture: 'arm64' }),
      /disagree/,
    ],
    ['a name with a blank', packageParagraph('one', { Package: 'a b' }), /Package "a b"/],
    ['a name that is no ASCII', packageParagraph('one', { Package: 'hellö' }), /Package/],
    ['a name that is no UTF-8', Buffer.from(packageParagraph('one', { Package: 'hell\xf6' }), 'latin1'), /Package/],
    ['an architecture with a slash', packageParagraph('one', { Architecture: 'a/b' }), /Architecture "a\/b"/],
    ['a continuation of nothing', ' x\nPackage: a\n', /line 1 continues/],
    ['a line without colon', 'Package: a\nhello\n', /line 2 is no field/],
    ['a line of 2 MiB', `Package: ${'x'.repeat(2 << 20)}\n`, /line of more than 1048576/],
    ['binary', Buffer.from([0x7f, 0x45, 0x4c, 0x46, 0, 0, 0, 10, 0, 0]), /no field/],
    ['HTML', '<html><body>Sign in: here</body></html>\n', /no field|lacks/],
  ])('refuses %s', async (_name, text, reason) => {
    const failure = await parse(text).catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(FormatProblem);
    expect((failure as Error).message).toMatch(reason);
  });

  it('stops when it is aborted', async () => {
    const abort = new AbortController();
    abort.abort(new Error('enough'));
    await expect(parsePackages(chunked(Buffer.from(packageParagraph('one'))), abort.signal)).rejects.toThrow('enough');
  });
});
