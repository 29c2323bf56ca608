import { describe, expect, it } from 'vitest';
import { shownSecret } from './authorization.js';

const basic = (pair: string) => `Basic ${Buffer.from(pair).toString('base64')}`;

describe('the secret that a request shows', () => {
  it.each([
    ['nothing', undefined, undefined, { kind: 'none' }],
    ['a host alone', undefined, 'cache.example:8980', { kind: 'none' }],
    ['a bearer token', 'Bearer wbt_1', undefined, { kind: 'secret', secret: 'wbt_1' }],
    ['any case of the scheme', 'bEARER  wbt_1 ', undefined, { kind: 'secret', secret: 'wbt_1' }],
    ['the password of a pair', basic('me:wbt_1'), undefined, { kind: 'secret', secret: 'wbt_1' }],
    ['a password with colons', basic('me:a:b'), undefined, { kind: 'secret', secret: 'a:b' }],
    ['a token where the user goes', basic('wbt_1:'), undefined, { kind: 'secret', secret: 'wbt_1' }],
    ['the authority of Bazel', undefined, 'me:wbt_1@cache.example:1', { kind: 'secret', secret: 'wbt_1' }],
    ['an encoded authority', undefined, 'me:a%40b@cache.example', { kind: 'secret', secret: 'a@b' }],
    ['the header before the authority', 'Bearer h', 'me:a@cache.example', { kind: 'secret', secret: 'h' }],
  ])('%s', (_name, authorization, authority, shown) => {
    expect(shownSecret(authorization, authority)).toEqual(shown);
  });

  it.each([
    ['no scheme', 'wbt_1', undefined],
    ['another scheme', 'Digest abc', undefined],
    ['no base64', 'Basic !!!', undefined],
    ['an empty pair', basic(':'), undefined],
    ['an empty field', '', undefined],
    ['too long', `Bearer ${'a'.repeat(17_000)}`, undefined],
    ['two values', 'Bearer a b', undefined],
    ['an authority that is not encoded right', undefined, 'me:%zz@cache.example'],
  ])('%s is refused and not taken for nothing', (_name, authorization, authority) => {
    expect(shownSecret(authorization, authority).kind).toBe('unreadable');
  });
});
