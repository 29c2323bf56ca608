import { describe, expect, it } from 'vitest';
import { parseLeafHost } from './host-name.js';

const label63 = 'a'.repeat(63);

describe('parseLeafHost', () => {
  it.each([
    ['host.example', 'dns', 'host.example'],
    ['HOST.Example', 'dns', 'host.example'],
    ['host.example.', 'dns', 'host.example'],
    ['localhost', 'dns', 'localhost'],
    ['a', 'dns', 'a'],
    ['xn--bcher-kva.example', 'dns', 'xn--bcher-kva.example'],
    ['_dmarc.host_1.example', 'dns', '_dmarc.host_1.example'],
    ['1.2.3.4.example', 'dns', '1.2.3.4.example'],
    [`${label63}.example`, 'dns', `${label63}.example`],
    [`${`${label63}.`.repeat(3)}${'b'.repeat(61)}`, 'dns', `${`${label63}.`.repeat(3)}${'b'.repeat(61)}`],
    ['192.0.2.7', 'ip', '192.0.2.7'],
    ['::1', 'ip', '::1'],
    ['2001:DB8:0:0:0:0:0:1', 'ip', '2001:db8::1'],
    ['::ffff:192.0.2.7', 'ip', '::ffff:c000:207'],
  ])('%s is the %s %s', (host, kind, name) => {
    expect(parseLeafHost(host)).toEqual({ kind, name });
  });

  it.each([
    '',
    '.',
    '..',
    'constructor',
    'Constructor',
    'constructor.',
    '__proto__',
    '../x',
    '../../../x',
    'a/b',
    'a\\b',
    'a\0.example',
    '\0',
    'a b',
    'a\n.example',
    'a..example',
    '-a.example',
    'a-.example',
    '*.example',
    '*',
    'a*.example',
    'user@host.example',
    'host.example:443',
    '[::1]',
    'fe80::1%eth0',
    '127.1',
    '0x7f.1',
    '2130706433',
    '1.2.3.4.5',
    '1.2.3.04',
    'bücher.example',
    'host.example\u202e',
    'a$b.example',
    `${'a'.repeat(64)}.example`,
    `${`${label63}.`.repeat(3)}${'b'.repeat(62)}`,
    'a.'.repeat(200),
    'a'.repeat(100_000),
  ])('refuses %j', (host) => {
    expect(() => parseLeafHost(host)).toThrow(expect.objectContaining({ code: 'CA_HOST_INVALID' }));
  });

  it('says why, in bounded length', () => {
    expect(() => parseLeafHost('x'.repeat(10_000))).toThrow(/253/);
    try {
      parseLeafHost('x'.repeat(10_000));
    } catch (error) {
      expect((error as Error).message.length).toBeLessThan(600);
    }
  });
});
