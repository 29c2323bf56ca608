import { describe, expect, it } from 'vitest';
import { compileUrlGlob, urlGlobWarning } from './url-glob.js';

const base = 'https://host.example:443';

describe('compileUrlGlob', () => {
  it.each<[pattern: string, yes: string[], no: string[]]>([
    [`${base}/a`, [`${base}/a`], [`${base}/a/`, `${base}/ab`, `${base}/`, `x${base}/a`, `${base}/A`]],
    [`${base}/*`, [`${base}/`, `${base}/a`, `${base}/a?b=c`], [`${base}/a/b`, `${base}`, 'https://host.example/a']],
    [
      `${base}/**`,
      [`${base}/`, `${base}/a/b/c?d=/e`],
      [base, 'https://host.example:4430/a', 'https://host.example.evil:443/'],
    ],
    [`${base}/***`, [`${base}/a/b`], [base]],
    [`${base}/*/x`, [`${base}/a/x`, `${base}//x`], [`${base}/a/b/x`, `${base}/x`]],
    [`${base}/**/x`, [`${base}/a/b/x`, `${base}//x`], [`${base}/x`, `${base}/a/xy`]],
    [`${base}/a?c`, [`${base}/abc`], [`${base}/ac`, `${base}/a/c`]],
    [`${base}/[abc]`, [`${base}/a`, `${base}/c`], [`${base}/d`, `${base}/`]],
    [`${base}/[a-c0-9]x`, [`${base}/bx`, `${base}/7x`], [`${base}/dx`]],
    [`${base}/[!a]`, [`${base}/b`], [`${base}/a`, `${base}//`]],
    [`${base}/[^a]`, [`${base}/b`], [`${base}/a`, `${base}//`]],
    [`${base}/[.-9]`, [`${base}/.`, `${base}/5`], [`${base}//`]],
    [`${base}/[]]`, [`${base}/]`], [`${base}/[`]],
    [`${base}/[a-]`, [`${base}/a`, `${base}/-`], [`${base}/b`]],
    [`${base}/[\\]\\-]`, [`${base}/]`, `${base}/-`], [`${base}/\\`]],
    [`${base}/{a,bc}/x`, [`${base}/a/x`, `${base}/bc/x`], [`${base}/b/x`, `${base}/a,bc/x`, `${base}//x`]],
    [`${base}/{a,b{c,d{e,f}}}`, [`${base}/a`, `${base}/bc`, `${base}/bde`, `${base}/bdf`], [`${base}/b`, `${base}/bd`]],
    [`${base}/a{,.gz,.xz}`, [`${base}/a`, `${base}/a.gz`], [`${base}/a.bz2`]],
    [`${base}/{a}`, [`${base}/a`], [`${base}/{a}`]],
    [`${base}/{*/b,**.deb}`, [`${base}/x/b`, `${base}/p/q/r.deb`], [`${base}/x/y/b`]],
    ['{http,https}://host{,:443}/**', ['http://host/a', 'https://host:443/a'], ['ftp://host/a']],
    [
      'https://*.example:443/**',
      ['https://a.example:443/x'],
      ['https://evil/a.example:443/x', 'https://a.example:8443/x'],
    ],
    ['https://*:443/**', ['https://a.b:443/x'], ['https://a.b:444/x', 'https://a/:443/x']],
    [`${base}/a,b`, [`${base}/a,b`], [`${base}/a`]],
    [`${base}/\\*\\{\\[\\?\\\\`, [`${base}/*{[?\\`], [`${base}/a{[?\\`]],
    [`${base}/a+(b).$^|`, [`${base}/a+(b).$^|`], [`${base}/aabc`]],
    ['HTTPS://HOST.Example:443/Path', ['https://host.example:443/Path'], ['https://host.example:443/path']],
    ['https://[::1]:443/**', ['https://[::1]:443/a'], ['https://::443/a', 'https://1:443/a']],
    ['https://[2001:DB8::7]:8443/*', ['https://[2001:db8::7]:8443/a'], ['https://2:8443/a']],
    ['**', ['https://host.example:443/', 'x'], []],
    ['*', ['', 'abc'], ['https://host']],
  ])('%s', (pattern, yes, no) => {
    const glob = compileUrlGlob(pattern);
    expect(glob.source).toBe(pattern);
    expect(yes.filter((url) => !glob.matches(url))).toEqual([]);
    expect(no.filter((url) => glob.matches(url))).toEqual([]);
  });

  it.each([
    [`${base}/a`, `${base}/a`],
    ['HTTPS://HOST.Example:443/Path', 'https://host.example:443/Path'],
    [`${base}/\\*\\{\\[`, `${base}/*{[`],
    ['https://[::1]:443/a', 'https://[::1]:443/a'],
    [`${base}/*`, undefined],
    [`${base}/{a}`, undefined],
    [`${base}/[a]`, undefined],
  ])('%s has the literal %s', (pattern, literal) => {
    expect(compileUrlGlob(pattern).literal).toBe(literal);
  });

  it.each([
    ['', 'is empty'],
    [`${base}/{a,b`, 'never closed'],
    [`${base}/a}`, 'closes nothing'],
    [`${base}/{}`, 'empty braces'],
    [`${base}/[a`, 'never closed'],
    [`${base}/[`, 'never closed'],
    [`${base}/[]`, 'never closed'],
    [`${base}/[a\\`, 'never closed'],
    [`${base}/[z-a]`, 'end is before its start'],
    [`${base}/[a/b]`, '`/` in a character class'],
    [`${base}/a\\`, 'lone backslash'],
    [`${base}/${'{'.repeat(17)}a${'}'.repeat(17)}`, 'deeper than 16'],
    ['a'.repeat(4097), 'longer than 4096'],
    [`${base}/${'*a'.repeat(33)}`, 'more than 32 stars'],
  ])('refuses %s: %s', (pattern, message) => {
    const error = expect.objectContaining({ code: 'POLICY_GLOB_INVALID', message: expect.stringContaining(message) });
    expect(() => compileUrlGlob(pattern)).toThrow(error);
  });

  it.each([
    ['many stars', '*a'.repeat(32), 'a'.repeat(2000)],
    ['many double stars', `${'**a'.repeat(32)}b`, 'a'.repeat(3000)],
    ['stars in braces', `${'{*,**,a}'.repeat(16)}b`, 'a'.repeat(2000)],
    ['braces that expand to 2^300', `${'{a,aa}'.repeat(300)}b`, 'a'.repeat(600)],
    ['empty loops', `${'{,*}'.repeat(32)}b`, 'a'.repeat(1000)],
  ])('answers in bounded time: %s', (_name, pattern, text) => {
    const started = performance.now();
    expect(compileUrlGlob(pattern).matches(text)).toBe(pattern.startsWith('*a*a') && !pattern.endsWith('b'));
    expect(performance.now() - started).toBeLessThan(2000);
  });

  it('keeps nothing between matches', () => {
    const glob = compileUrlGlob(`${base}/*.deb`);
    expect([`${base}/a.deb`, `${base}/a.rpm`, `${base}/a.deb`].map((url) => glob.matches(url))).toEqual([
      true,
      false,
      true,
    ]);
  });
});

describe('urlGlobWarning', () => {
  it.each([
    ['https://host/**', /:443\/\*\*$/],
    ['https://[::1]/**', /:443\/\*\*$/],
    ['http://host:80/**', /http:\/\/host\/\*\*$/],
    ['https://user@host:443/**', /user info/],
    ['https://host:443', /no path/],
  ])('%s is warned about', (pattern, expected) => {
    expect(urlGlobWarning(pattern)).toMatch(expected);
  });

  it.each([
    'https://host:443/**',
    'https://host:8443/**',
    'http://host/**',
    'https://*/**',
    'https://host{,:443}/**',
    'https://[::1]:443/**',
    '**',
  ])('%s is fine', (pattern) => {
    expect(urlGlobWarning(pattern)).toBeUndefined();
  });
});
