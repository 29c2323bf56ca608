import { describe, expect, it } from 'vitest';
import { hex, releaseText } from '../../test/apt-fixtures.js';
import { parseDeb822 } from './deb822.js';
import { FormatProblem } from './format-problem.js';
import { parseReleaseDate } from './release-date.js';
import { parseRelease, weighRelease } from './release-file.js';
import { isSafePath } from './safe-path.js';

const packages = 'Package: x\n';
const sha = hex('sha256', packages);
const line = ` ${sha} ${packages.length} main/binary-amd64/Packages\n`;

describe('parseRelease', () => {
  it('reads header, dates and entries', () => {
    const release = parseRelease(
      releaseText({
        fields: { Date: 'Sat, 11 Jul 2026 10:16:37 UTC', 'Valid-Until': 'Sat, 18 Jul 2026 10:16:37 UTC' },
        files: { 'main/binary-amd64/Packages': packages },
        more: `SHA512:\n ${hex('sha512', packages)} ${packages.length} main/binary-amd64/Packages\n`,
      }),
    );
    expect(release).toMatchObject({
      origin: 'Test',
      suite: 'stable',
      codename: 'bookworm',
      version: '12.1',
      architectures: ['all', 'amd64'],
      components: ['main', 'extra'],
      date: new Date('2026-07-11T10:16:37Z'),
      validUntil: new Date('2026-07-18T10:16:37Z'),
    });
    const entry = { path: 'main/binary-amd64/Packages', size: 11, sha256: sha, sha512: hex('sha512', packages) };
    expect([...release.entries.values()]).toEqual([entry]);
    expect(release.byDigest.get(`sha256:${sha}`)).toEqual([entry]);
    expect(release.byDigest.get(`sha512:${entry.sha512}`)).toEqual([entry]);
    expect(release.fields).toMatchObject({ origin: 'Test', codename: 'bookworm' });
    expect(weighRelease(release)).toBeGreaterThan(1000);
  });

  it('needs no Version and no Description, as unstable and small archives have none', () => {
    const release = parseRelease(releaseText({ fields: { Version: undefined, Description: undefined } }));
    expect(release).toMatchObject({ version: '', description: 'Test stable', validUntil: undefined });
  });

  it('takes the same file listed twice, upper-case digests and ./', () => {
    const more = `${line}${line.replace(sha, sha.toUpperCase())}${line.replace('main/', './main/')}`;
    expect(parseRelease(releaseText({ more })).entries.size).toBe(1);
  });

  it.each<[string, string, RegExp]>([
    ...['Origin', 'Label', 'Suite', 'Codename', 'Date', 'Architectures', 'Components'].map(
      (name): [string, string, RegExp] => [
        `no ${name}`,
        releaseText({ fields: { [name]: undefined } }),
        new RegExp(`lacks the field ${name.toLowerCase()}`),
      ],
    ),
    [
      'several fields missing',
      releaseText({ fields: { Suite: undefined, Label: '' } }),
      /lacks the fields label, suite/,
    ],
    [
      'no SHA256 section',
      releaseText().replace(/SHA256:\n[\s\S]*/, 'MD5Sum:\n'),
      /no SHA256 section: it has only md5sum/,
    ],
    ['no list at all', releaseText().replace(/SHA256:\n[\s\S]*/, ''), /no list of files/],
    ['two SHA256 sections', releaseText({ more: 'SHA256:\n' }), /second time/],
    ['a date without zone', releaseText({ fields: { Date: 'Sat, 11 Jul 2026 10:16:37' } }), /has the date/],
    ['a Valid-Until that is none', releaseText({ fields: { 'Valid-Until': 'never' } }), /has the valid-until "never"/],
    ['a path with ..', releaseText({ more: line.replace('main/', '../') }), /unsafe path/],
    ['an absolute path', releaseText({ more: line.replace('main/', '/etc/') }), /unsafe path/],
    ['a path with a backslash', releaseText({ more: line.replace('main/', 'main\\') }), /unsafe path/],
    ['a digest that is too short', releaseText({ more: line.replace(sha, sha.slice(1)) }), /sha256 line/],
    ['a digest that is no hex', releaseText({ more: line.replace(sha, `g${sha.slice(1)}`) }), /sha256 line/],
    ['a negative size', releaseText({ more: line.replace(' 11 ', ' -11 ') }), /sha256 line/],
    ['a line without path', releaseText({ more: ` ${sha} 11\n` }), /sha256 line/],
    ['a path with a blank', releaseText({ more: line.replace('main/', 'ma in/') }), /sha256 line/],
    ['one path, two digests', releaseText({ more: line + line.replace(sha, 'a'.repeat(64)) }), /twice with different/],
    ['one path, two sizes', releaseText({ more: line + line.replace(' 11 ', ' 12 ') }), /twice with different/],
    [
      'sizes that differ by section',
      releaseText({ more: `${line}SHA512:\n ${'a'.repeat(128)} 12 main/binary-amd64/Packages\n` }),
      /size 11 in SHA256 and 12/,
    ],
    ['two paragraphs', `${releaseText()}\nOrigin: x\n`, /2 paragraphs/],
    ['nothing', '', /0 paragraphs/],
    ['no fields', 'hello world\n', /no field/],
    ['a line of 100 KB', releaseText({ fields: { Label: 'x'.repeat(100_000) } }), /longer than/],
  ])('refuses %s', (_name, text, reason) => {
    expect(() => parseRelease(text)).toThrow(FormatProblem);
    expect(() => parseRelease(text)).toThrow(reason);
  });
});

describe('parseReleaseDate', () => {
  it.each([
    ['Sat, 11 Jul 2026 10:16:37 UTC', '2026-07-11T10:16:37.000Z'],
    ['Sat, 11 Jul 2026 10:16:37 GMT', '2026-07-11T10:16:37.000Z'],
    ['Sat, 11 Jul 2026 10:16:37 +0000', '2026-07-11T10:16:37.000Z'],
    ['Sat, 11 Jul 2026 10:16:37 Z', '2026-07-11T10:16:37.000Z'],
    ['Sat,  1 Jul 2026  9:16:37 UTC', '2026-07-01T09:16:37.000Z'],
    ['1 Jul 2026 09:16:37 UTC', '2026-07-01T09:16:37.000Z'],
  ])('reads %s', (text, iso) => {
    expect(parseReleaseDate(text)?.toISOString()).toBe(iso);
  });

  it.each([
    '',
    'now',
    '2026-07-11T10:16:37Z',
    'Sat, 11 Jul 2026 10:16:37',
    'Sat, 11 Jul 2026 10:16:37 +0200',
    'Sat, 11 Jul 2026 10:16:37 PST',
    'Sat, 31 Feb 2026 10:16:37 UTC',
    'Sat, 11 Foo 2026 10:16:37 UTC',
    'Sat, 11 Jul 2026 25:16:37 UTC',
    'Sat, 11 Jul 2026 10:61:37 UTC',
    'Sat, 11 Jul 2026 10:16:37 UTC and more',
  ])('refuses %j', (text) => {
    expect(parseReleaseDate(text)).toBeUndefined();
  });
});

describe('parseDeb822', () => {
  it('reads paragraphs, continuation lines, comments, CRLF and no last line end', () => {
    const found = parseDeb822('A: 1\r\nB:  2 \n more\n .\n# comment\n\tend\n\n\nC:\n x\nD: last');
    expect(found.map((paragraph) => Object.fromEntries(paragraph))).toEqual([
      { a: '1', b: '2\n more\n .\n\tend' },
      { c: '\n x', d: 'last' },
    ]);
  });

  it.each<[string, string, RegExp]>([
    ['a continuation of nothing', ' x\n', /continues a field/],
    ['a continuation after a blank line', 'A: 1\n\n x\n', /line 3 continues/],
    ['a line without colon', 'A: 1\nhello\n', /line 2 is no field/],
    ['a name with a blank', 'A B: 1\n', /no field/],
    ['a name beginning with a dash', '-A: 1\n', /no field/],
    ['an empty name', ': 1\n', /no field/],
    ['a name that is no ASCII', 'Ä: 1\n', /no field/],
    ['a field twice', 'A: 1\na: 2\n', /second time/],
    ['too many paragraphs', 'A: 1\n\n'.repeat(11), /more than 10 paragraphs/],
    ['too many fields', Array.from({ length: 6 }, (_, i) => `F${i}: 1\n`).join(''), /more than 5 fields/],
    ['a long line', `A: ${'x'.repeat(100)}\n`, /longer than 80/],
  ])('refuses %s', (_name, text, reason) => {
    expect(() => parseDeb822(text, { paragraphs: 10, fields: 5, lineBytes: 80 })).toThrow(reason);
  });

  it('is not misled by names of object prototypes', () => {
    const [paragraph] = parseDeb822('__proto__: x\nconstructor: y\n');
    expect(paragraph?.get('__proto__')).toBe('x');
  });
});

describe('isSafePath', () => {
  it.each(['a', 'a/b', 'main/binary-amd64/Packages.xz', 'pool/a..b/c', '..a/b'])('takes %j', (path) => {
    expect(isSafePath(path)).toBe(true);
  });
  it.each([
    '',
    '/',
    '/a',
    'a/',
    'a//b',
    '.',
    '..',
    '../a',
    'a/../b',
    './a',
    'a/./b',
    'a\\b',
    'a\0b',
    'a\nb',
    'a'.repeat(5000),
  ])('refuses %j', (path) => {
    expect(isSafePath(path)).toBe(false);
  });
});
