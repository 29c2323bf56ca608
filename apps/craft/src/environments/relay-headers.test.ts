import { describe, expect, it } from 'vitest';
import { endToEnd, headerPairs } from './relay-headers.js';

describe('endToEnd', () => {
  it.each<[name: string, raw: string[], kept: string[]]>([
    ['keeps order, case and duplicates', ['X-B', '1', 'x-a', '2', 'X-B', '3'], ['X-B', '1', 'x-a', '2', 'X-B', '3']],
    [
      "drops the client's credentials",
      ['Proxy-Authorization', 'Basic x', 'proxy-authorization', 'y', 'A', '1'],
      ['A', '1'],
    ],
    [
      'drops fields of the connection',
      ['Keep-Alive', 'x', 'TE', 'trailers', 'Upgrade', 'h2c', 'Transfer-Encoding', 'chunked', 'Expect', '100-continue'],
      [],
    ],
    ['drops what Connection names', ['Connection', 'close, X-Hop', 'X-Hop', '1', 'Other', '2'], ['Other', '2']],
    [
      'drops what several Connection fields name',
      ['connection', 'x-one', 'X-One', '1', 'Connection', ' X-TWO ', 'X-Two', '2'],
      [],
    ],
    [
      'keeps the length of the message',
      ['Connection', 'Content-Length, Host', 'Content-Length', '5', 'Host', 'h'],
      ['Content-Length', '5', 'Host', 'h'],
    ],
    [
      'keeps credentials for the origin',
      ['Authorization', 'Basic x', 'Cookie', 'y'],
      ['Authorization', 'Basic x', 'Cookie', 'y'],
    ],
  ])('%s', (_name, raw, kept) => {
    expect(endToEnd(raw)).toEqual(kept);
  });

  it('gives pairs', () => {
    expect(headerPairs(['a', '1', 'b', '2'])).toEqual([
      ['a', '1'],
      ['b', '2'],
    ]);
  });
});
