import { describe, expect, it } from 'vitest';
import { type SeenConnection, watchConnection } from './connection-watch.js';

const authorization = 'Basic czp0';
const record = (type: number, length: number) => {
  const bytes = Buffer.alloc(5 + length, 1);
  bytes[0] = type;
  bytes.writeUInt16BE(0x0303, 1);
  bytes.writeUInt16BE(length, 3);
  return bytes;
};
const connectHead = (headers = `Proxy-Authorization: ${authorization}\r\n`, port = 443) =>
  `CONNECT host.example:${port} HTTP/1.1\r\nHost: host.example:${port}\r\n${headers}\r\n`;
const ok = 'HTTP/1.1 200 Connection established\r\n\r\n';
const wanted = 'HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic\r\nContent-Length: 0\r\n\r\n';

type Line = readonly ['client' | 'proxy', string | Buffer];

function watch(lines: readonly Line[], step = Number.POSITIVE_INFINITY): SeenConnection | undefined {
  const watched = watchConnection(authorization);
  for (const [who, text] of lines) {
    const bytes = Buffer.from(text as string);
    for (let at = 0; at < bytes.length; at += step) {
      const part = bytes.subarray(at, at + step);
      if (who === 'client') watched.fromClient(part);
      else watched.fromProxy(part);
    }
  }
  return watched.seen();
}

const hello: Line = ['client', record(22, 300)];
const serverAnswer: Line = ['proxy', record(22, 1200)];
const modern = [record(20, 1), record(23, 53), record(23, 120)].map((bytes): Line => ['client', bytes]);
const older = [record(22, 70), record(20, 1), record(22, 40), record(23, 90)].map((bytes): Line => ['client', bytes]);
const tunnel: Line[] = [['client', connectHead()], ['proxy', ok], hello, serverAnswer];

describe('a connection to the proxy', () => {
  it.each<[string, Line[], Partial<SeenConnection> | undefined]>([
    ['TLS 1.3 and a request', [...tunnel, ...modern], { acceptedCa: true, isAuthorized: true, host: 'host.example' }],
    ['TLS 1.2 and a request', [...tunnel, ...older], { acceptedCa: true }],
    ['an alert of TLS 1.3', [...tunnel, ['client', record(20, 1)], ['client', record(23, 19)]], { acceptedCa: false }],
    ['an alert of TLS 1.2', [...tunnel, ['client', record(21, 2)]], { acceptedCa: false }],
    [
      'GnuTLS, which ends the handshake before it looks',
      [...tunnel, ['client', record(20, 1)], ['client', record(23, 53)], ['client', record(23, 19)]],
      { acceptedCa: false },
    ],
    ['one that goes away', tunnel, { acceptedCa: false }],
    [
      'no credentials',
      [
        ['client', connectHead('')],
        ['proxy', wanted],
      ],
      { sentCredentials: false, isAuthorized: false },
    ],
    [
      'wrong credentials',
      [
        ['client', connectHead('Proxy-Authorization: Basic eDp5\r\n')],
        ['proxy', wanted],
      ],
      { sentCredentials: true, isAuthorized: false, acceptedCa: undefined },
    ],
    [
      'credentials when asked',
      [['client', connectHead('')], ['proxy', wanted], ['client', connectHead()], ['proxy', ok], hello, ...modern],
      { isAuthorized: true, acceptedCa: true },
    ],
    ['credentials and no answer', [['client', connectHead()]], { isAuthorized: false }],
    [
      'plain http',
      [
        ['client', `GET http://host.example/ HTTP/1.1\r\nproxy-authorization: ${authorization}\r\n\r\n`],
        ['proxy', 'HTTP/1.1 403 Forbidden\r\n\r\n'],
      ],
      { host: 'host.example', isAuthorized: true, acceptedCa: undefined },
    ],
    [
      'a tunnel for plain http',
      [
        ['client', connectHead(undefined, 80)],
        ['proxy', ok],
      ],
      { acceptedCa: undefined },
    ],
    ['nothing', [], undefined],
    ['noise', [['client', Buffer.alloc(500_000, 0xff)]], undefined],
  ])('%s', (_what, lines, seen) => {
    for (const step of [Number.POSITIVE_INFINITY, 7]) {
      if (seen === undefined) expect(watch(lines, step)).toBeUndefined();
      else expect(watch(lines, step)).toMatchObject(seen);
    }
  });
});
