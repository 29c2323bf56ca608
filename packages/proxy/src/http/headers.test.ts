import { describe, expect, it } from 'vitest';
import { headerView, listMembers } from './headers.js';
import { withoutHopByHop } from './hop-by-hop.js';
import { mediaTypeOf, prefersJson } from './media-type.js';

describe('headerView', () => {
  it('finds fields in any case and joins duplicates in order', () => {
    const view = headerView(['X-A', '1', 'x-b', '2', 'x-a', '3']);
    expect([view.get('X-a'), view.get('X-B'), view.get('x-c')]).toEqual(['1, 3', '2', undefined]);
  });

  it('is not confused by names of every object', () => {
    const view = headerView(['__proto__', 'x', 'constructor', 'y']);
    expect([view.get('__proto__'), view.get('constructor'), view.get('tostring')]).toEqual(['x', 'y', undefined]);
  });
});

describe('withoutHopByHop', () => {
  it.each([
    [
      ['Connection', 'close', 'X-A', '1'],
      ['X-A', '1'],
    ],
    [
      ['Connection', 'X-a , x-B', 'x-A', '1', 'X-B', '2', 'X-C', '3'],
      ['X-C', '3'],
    ],
    [['Connection', 'x-a', 'CONNECTION', 'x-b', 'X-A', '1', 'X-B', '2'], []],
    [['TE', 'trailers', 'Upgrade', 'h2c', 'Keep-Alive', 'x', 'Transfer-Encoding', 'chunked'], []],
    [['Proxy-Anything', '1', 'proxy-authorization', '2'], []],
    [
      ['Connection', 'content-length, host, authorization, content-encoding', 'Content-Length', '1', 'Host', 'a'],
      ['Content-Length', '1', 'Host', 'a'],
    ],
    [
      ['Trailer', 'X-Sum', 'Via', '1.1 x'],
      ['Trailer', 'X-Sum', 'Via', '1.1 x'],
    ],
  ])('%j', (raw, expected) => {
    expect(withoutHopByHop(raw)).toEqual(expected);
  });
});

it('listMembers leaves out empty members', () => {
  expect(listMembers(' A, ,b ,,C')).toEqual(['a', 'b', 'c']);
  expect(listMembers(undefined)).toEqual([]);
});

it.each([
  ['Text/HTML; charset=utf-8', 'text/html'],
  [' application/json ', 'application/json'],
  ['', ''],
  [undefined, ''],
])('mediaTypeOf(%j)', (given, expected) => {
  expect(mediaTypeOf(given)).toBe(expected);
});

describe('prefersJson', () => {
  it.each([
    [undefined, false],
    ['*/*', false],
    ['text/plain', false],
    ['text/html,application/xhtml+xml,*/*;q=0.8', false],
    ['application/json', true],
    ['application/json, text/plain, */*', true],
    ['application/json;q=0.5, text/plain', false],
    ['text/plain;q=0.5, application/json', true],
    ['application/vnd.npm.install-v1+json; q=1.0, application/json; q=0.8, */*', true],
    ['application/json;q=0', false],
    ['application/json;q=nonsense', false],
    ['application/octet-stream', false],
    [`${'a/b,'.repeat(5000)}application/json`, true],
  ])('%j: %s', (accept, expected) => {
    expect(prefersJson(accept)).toBe(expected);
  });
});
