import { describe, expect, it } from 'vitest';
import { normalizeUrl } from './normalize-url.js';

describe('normalizeUrl', () => {
  it.each([
    ['https://host/p?q', 'https://host:443/p?q'],
    ['https://host:443/p', 'https://host:443/p'],
    ['https://host:8443/p', 'https://host:8443/p'],
    ['http://host/p', 'http://host/p'],
    ['http://host:80/p', 'http://host/p'],
    ['http://host:443/p', 'http://host:443/p'],
    ['https://host:80/p', 'https://host:80/p'],
    ['https://user:password@host/p', 'https://host:443/p'],
    ['https://allowed.example@evil.example/p', 'https://evil.example:443/p'],
    ['https://HOST.Example/Path', 'https://host.example:443/Path'],
    ['https://host/p#fragment', 'https://host:443/p'],
    ['https://host', 'https://host:443/'],
    ['https://host?', 'https://host:443/'],
    ['https://host:443/../', 'https://host:443/'],
    ['https://host/a/../../b', 'https://host:443/b'],
    ['https://host/a/%2e%2E/b', 'https://host:443/b'],
    ['https://host/a%2Fb', 'https://host:443/a%2Fb'],
    ['https://host/a%2f..%2fb', 'https://host:443/a%2f..%2fb'],
    ['https://host/%00', 'https://host:443/%00'],
    ['https://host\\@evil.example/', 'https://host:443/@evil.example/'],
    ['https://[::1]/p', 'https://[::1]:443/p'],
    ['https://[0:0:0:0:0:0:0:1]:8443/p', 'https://[::1]:8443/p'],
    ['http://[2001:DB8::1]/p', 'http://[2001:db8::1]/p'],
    ['http://0x7f.1/p', 'http://127.0.0.1/p'],
    ['https://bücher.example/', 'https://xn--bcher-kva.example:443/'],
    ['https://ho\tst/p\n', 'https://host:443/p'],
  ])('%s becomes %s', (url, expected) => {
    expect(normalizeUrl(new URL(url))).toBe(expected);
  });

  it.each(['ftp://host/p', 'file:///etc/passwd', 'ws://host/', 'data:text/plain,x'])('refuses %s', (url) => {
    expect(() => normalizeUrl(new URL(url))).toThrow(expect.objectContaining({ code: 'POLICY_URL_UNSUPPORTED' }));
  });

  it('does not repeat a password in its error', () => {
    expect(() => normalizeUrl(new URL('ftp://user:hunter2@host/'))).toThrow(/^(?!.*hunter2)/);
  });
});
