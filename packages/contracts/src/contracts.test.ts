import { describe, expect, it } from 'vitest';
import {
  ContractError,
  digest,
  formatDigest,
  formatPurl,
  inspectorsConfigSchema,
  isWaybillError,
  matchesDigest,
  parseDigest,
  parseIntegrity,
  parsePurl,
  redacted,
  redactHeaders,
  redactText,
  redactUrl,
  stripControl,
  WaybillError,
} from './index.js';

const sha256 = 'a'.repeat(64);

describe('digest', () => {
  it.each([
    [`sha256:${sha256}`, `sha256:${sha256}`],
    [`sha256/${sha256.toUpperCase()}`, `sha256:${sha256}`],
    [`sha3_384/${'0'.repeat(96)}`, `sha3-384:${'0'.repeat(96)}`],
  ])('parses %s', (text, wanted) => expect(formatDigest(parseDigest(text))).toBe(wanted));

  it.each([
    '',
    'sha256',
    `sha256:${'a'.repeat(63)}`,
    `sha256:${'g'.repeat(64)}`,
    `crc32:${'0'.repeat(8)}`,
    `sha256:${sha256}0`,
    `sha256:${sha256}\n../x`,
  ])('refuses %j', (text) => expect(() => parseDigest(text)).toThrow(ContractError));

  it('reads integrity text, strongest first, leaving out what it does not know', () => {
    const sha512 = Buffer.alloc(64, 7).toString('base64');
    const sha1 = Buffer.alloc(20, 1).toString('base64');
    expect(parseIntegrity(`sha1-${sha1} md7-AAAA sha512-${sha512}?opt sha256-short`)).toEqual([
      { algorithm: 'sha512', hex: Buffer.alloc(64, 7).toString('hex') },
      { algorithm: 'sha1', hex: Buffer.alloc(20, 1).toString('hex') },
    ]);
    expect(parseIntegrity('')).toEqual([]);
  });

  it('never takes an algorithm that was not computed for a match', () => {
    const body = { sha1: '0'.repeat(40), sha256, sha512: '0'.repeat(128) };
    expect(matchesDigest(digest('sha256', sha256), body)).toBe(true);
    expect(matchesDigest(digest('sha256', 'b'.repeat(64)), body)).toBe(false);
    expect(matchesDigest(digest('md5', '0'.repeat(32)), body)).toBeUndefined();
    // a name that Object.prototype carries must not be found either
    expect(matchesDigest({ algorithm: 'constructor' as never, hex: 'x' }, body)).not.toBe(true);
  });
});

describe('purl', () => {
  it('writes and reads scoped names', () => {
    const text = formatPurl({ type: 'npm', namespace: '@scope', name: 'name', version: '1.0.0' });
    expect(text).toBe('pkg:npm/%40scope/name@1.0.0');
    expect(parsePurl(text)).toMatchObject({ type: 'npm', namespace: '@scope', name: 'name', version: '1.0.0' });
  });
  it('refuses what is none', () => expect(() => parsePurl('npm/left-pad')).toThrow(ContractError));
});

describe('redaction', () => {
  it('replaces credential headers and keeps order and duplicates of the others', () => {
    expect(redactHeaders(['Authorization', 'Basic abc', 'X-A', '1', 'x-a', '2', 'Cookie', 'k=v'])).toEqual({
      authorization: [redacted],
      'x-a': ['1', '2'],
      cookie: [redacted],
    });
  });
  it('survives hostile header names', () => {
    expect(Object.keys(redactHeaders(['__proto__', 'x', 'constructor', 'y']))).toEqual(['__proto__', 'constructor']);
  });
  it.each([
    ['https://user:pw@host:443/a?token=abc&x=1', `https://host:443/a?token=${redacted}&x=1`],
    ['http://host/a?X-Amz-Signature=abc', `http://host/a?X-Amz-Signature=${redacted}`],
    ['https://host:443/a@b?q=1', 'https://host:443/a@b?q=1'],
    ['http://user:p@ss@host:99999/a', 'http://host:99999/a'],
    ['http://user:p:w@[::1]:99999/a?b@c', 'http://[::1]:99999/a?b@c'],
    ['https://host:443/a?x=\u001b[2J\u202ey', 'https://host:443/a?x=\ufffd[2J\ufffdy'],
  ])('cleans %s', (url, wanted) => expect(redactUrl(url)).toBe(wanted));
  it('cleans free text', () => {
    expect(redactText('via http://id:token@host:1/ with Authorization: Basic aWQ6dG9rZW4=')).toBe(
      `via http://${redacted}@host:1/ with Authorization: Basic ${redacted}`,
    );
    expect(stripControl('a\u001b[31mb\rc\u202ed')).toBe('a\ufffd[31mb\ufffdc\ufffdd');
  });
});

describe('text that strangers wrote', () => {
  it.each([
    ['escape sequences', '\u001b[2J\u001b]0;title\u0007'],
    ['eight-bit escape sequences', '\u009b2J\u009d0;title\u009c'],
    ['carriage returns and backspaces', 'a\rb\u0008c'],
    ['NUL and DEL', '\0\u007f'],
    ['next line, line and paragraph separator', '\u0085\u2028\u2029'],
    ['overrides and isolates of direction', '\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069'],
    ['marks of direction', '\u200e\u200f\u061c'],
    ['invisible characters', '\u200b\u2060\u2064\ufeff\ufffa'],
    ['invisible tags', '\u{e0001}\u{e0041}'],
    ['halves of surrogate pairs', 'a\ud800b\udc00'],
  ])('loses %s', (_name, text) => {
    const cleaned = stripControl(`before ${text} after`);
    expect(cleaned).toMatch(/^before .*\ufffd.* after$/);
    expect(cleaned).not.toMatch(/[^\n\t\x20-\x7e\ufffd]/);
  });

  it.each(['café', '日本語', '\u{1f468}\u200d\u{1f469}\u200d\u{1f467}', 'می\u200cخواهم', 'tab\tand\nnewline'])(
    'keeps %j',
    (text) => expect(stripControl(text)).toBe(text),
  );

  it.each([
    ['dots', 'a.'.repeat(50_000)],
    ['blanks behind a scheme of credentials', `Basic${' '.repeat(100_000)}`.repeat(2)],
    ['schemes', 'a://'.repeat(25_000)],
    ['signs', `http://${'@'.repeat(100_000)}`],
  ])('is cleaned in linear time: %s', (_name, text) => {
    // In quadratic time each would take minutes.
    const longer = text.repeat(20);
    expect(redactText(longer).length).toBeGreaterThan(0);
    expect(redactUrl(longer).length).toBeGreaterThan(0);
  });
});

describe('errors', () => {
  it('carry code, hint and cause', () => {
    const cause = new Error('x');
    const error = new WaybillError('SOME_CODE', 'found y, wanted z', { hint: 'do w', cause });
    expect(error).toMatchObject({ code: 'SOME_CODE', hint: 'do w', cause, name: 'WaybillError' });
    expect(isWaybillError(error)).toBe(true);
    expect(isWaybillError(Object.assign(new Error('x'), { code: 'ENOENT' }))).toBe(false);
  });
});

describe('inspectors configuration', () => {
  const key = '-----BEGIN PGP PUBLIC KEY BLOCK-----\n\n-----END PGP PUBLIC KEY BLOCK-----';
  it('takes the old name of suites', () => {
    const parsed = inspectorsConfigSchema.parse({
      apt: {
        repositories: { default: { urls: ['http://deb.registry.example/**'], dists: ['stable'], 'public-key': key } },
      },
    });
    expect(parsed.apt?.repositories.default).toMatchObject({ suites: ['stable'], components: ['*', '**'] });
  });
  it.each([
    [{ unknown: {} }, 'unknown'],
    [{ git: { url: [] } }, 'url'],
    [{ apt: { repositories: { a: { urls: [], 'public-key': key } } } }, 'suites'],
    [{ apt: { repositories: { a: { urls: [], suites: [], 'public-key': 'x' } } } }, 'OpenPGP'],
    [{ generic: { files: [{ url: 'https://a.example/b' }] } }, 'sha256'],
    [{ generic: { files: [{ url: 'https://a.example/b', sha256: 'abc' }] } }, '64 hex'],
    [{ npm: { registries: { a: { url: 'ftp://registry.example/' } } } }, 'http'],
    [{ limits: { hold: 'never' } }, 'hold'],
  ])('refuses %j and names %s', (value, wanted) => {
    const parsed = inspectorsConfigSchema.safeParse(value);
    expect(parsed.success).toBe(false);
    expect(JSON.stringify(parsed.error?.issues)).toContain(wanted);
  });
});
