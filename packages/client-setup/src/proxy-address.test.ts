import { describe, expect, it } from 'vitest';
import { parseProxyUrl } from './proxy-address.js';

describe('parseProxyUrl', () => {
  it.each([
    ['http://127.0.0.1:9988', { url: 'http://127.0.0.1:9988', host: '127.0.0.1', port: 9988 }],
    ['http://127.0.0.1:9988/', { url: 'http://127.0.0.1:9988', host: '127.0.0.1', port: 9988 }],
    ['http://[::1]:9988', { url: 'http://[::1]:9988', host: '::1', port: 9988 }],
    ['http://proxy.example', { url: 'http://proxy.example', host: 'proxy.example', port: 80 }],
    [
      'http://id:to%20ken@host:1',
      { url: 'http://id:to%20ken@host:1', host: 'host', port: 1, user: 'id', password: 'to ken' },
    ],
  ])('%s', (text, address) => {
    expect(parseProxyUrl(text)).toEqual(address);
  });

  it.each([
    '',
    'host:9988',
    'https://host:9988',
    'socks5://host:1',
    'http://host/path',
    'http://host:99999',
    'http://host/?a',
    'http://',
  ])('refuses %j', (text) => {
    expect(() => parseProxyUrl(text)).toThrow(expect.objectContaining({ code: 'SETUP_PROXY_INVALID' }));
  });

  it('does not repeat the token', () => {
    expect(() => parseProxyUrl('https://id:hunter2@host:1')).toThrow(/^(?!.*hunter2)/);
  });
});
