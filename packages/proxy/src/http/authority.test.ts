import { describe, expect, it } from 'vitest';
import { formatAuthority, isSameAuthority, parseAuthority, parseHostHeader } from './authority.js';

describe('parseAuthority', () => {
  it.each([
    ['registry.example:443', 'registry.example', 443],
    ['Registry.EXAMPLE:8443', 'registry.example', 8443],
    ['localhost:1', 'localhost', 1],
    ['a_b.example:443', 'a_b.example', 443],
    ['xn--bcher-kva.example:443', 'xn--bcher-kva.example', 443],
    ['192.0.2.1:65535', '192.0.2.1', 65_535],
    ['[2001:DB8:0::1]:443', '2001:db8::1', 443],
    ['[::ffff:192.0.2.1]:443', '::ffff:c000:201', 443],
  ])('%s', (text, host, port) => {
    expect(parseAuthority(text)).toEqual({ host, port });
  });

  it.each([
    '',
    ':443',
    'a.example',
    'a.example:',
    'a.example:0',
    'a.example:65536',
    'a.example:99999999999',
    'a.example:443:443',
    'a.example:4 3',
    'a.example :443',
    'user@a.example:443',
    'a.example/x:443',
    '../../x:443',
    '%00:443',
    'a\u0000.example:443',
    'bücher.example:443',
    'a..example:443',
    '.example:443',
    'a.example.:443',
    '-a.example:443',
    'a-.example:443',
    `${'a'.repeat(64)}.example:443`,
    `${'a.'.repeat(127)}example:443`,
    '256.1.1.1:443',
    '1.2.3:443',
    '0x7f.1:443',
    '2130706433:443',
    '::1:443',
    '[::1]',
    '[::1]x:443',
    '[::1',
    '[v1.x]:443',
    '[fe80::1%eth0]:443',
    '[192.0.2.1]:443',
    'constructor:443',
    '__proto__:443',
  ])('%j is refused', (text) => {
    expect(() => parseAuthority(text)).toThrow(expect.objectContaining({ code: 'PROXY_AUTHORITY_INVALID' }));
  });

  it('takes linear time', () => {
    const started = performance.now();
    expect(() => parseAuthority(`${'a-'.repeat(30_000)}:443`)).toThrow();
    expect(performance.now() - started).toBeLessThan(200);
  });
});

it('a Host field may leave the port out', () => {
  expect(parseHostHeader('a.example', 443)).toEqual({ host: 'a.example', port: 443 });
  expect(parseHostHeader('a.example:80', 443)).toEqual({ host: 'a.example', port: 80 });
  expect(() => parseHostHeader('a.example:', 443)).toThrow();
});

it('is written with brackets around IPv6 and without the default port', () => {
  expect(formatAuthority({ host: '::1', port: 443 })).toBe('[::1]:443');
  expect(formatAuthority({ host: '::1', port: 443 }, 443)).toBe('[::1]');
  expect(formatAuthority({ host: 'a.example', port: 80 }, 443)).toBe('a.example:80');
});

it('is the same only with the same port', () => {
  expect(isSameAuthority({ host: 'a', port: 1 }, { host: 'a', port: 1 })).toBe(true);
  expect(isSameAuthority({ host: 'a', port: 1 }, { host: 'a', port: 2 })).toBe(false);
  expect(isSameAuthority({ host: 'a', port: 1 }, { host: 'b', port: 1 })).toBe(false);
});
