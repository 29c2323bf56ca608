import { afterEach, describe, expect, it } from 'vitest';
import { type AttackScene, startAttackScene, statuses, ways } from './attack-scene.js';
import { readAll } from './client.js';
import { until } from './until.js';

/**
 * Request smuggling: what one server takes for a body, another would take for a request of its own. Each request here says two
 * things about its own length, or says it in a spelling that servers read differently (RFC 9112 §11.2).
 */
const ambiguous: [name: string, request: string, status: number][] = [
  [
    'a length, then chunks',
    'Content-Length: 30\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /smuggled HTTP/1.1\r\n\r\n',
    400,
  ],
  [
    'chunks, then a length',
    'Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n5\r\nGET /smuggled\r\n0\r\n\r\n',
    400,
  ],
  ['two lengths', 'Content-Length: 3\r\nContent-Length: 5\r\n\r\nabcde', 400],
  ['the same length twice', 'Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc', 400],
  ['a list of lengths', 'Content-Length: 3, 3\r\n\r\nabc', 400],
  ['a length with a sign', 'Content-Length: +3\r\n\r\nabc', 400],
  ['a negative length', 'Content-Length: -1\r\n\r\nabc', 400],
  ['a hexadecimal length', 'Content-Length: 0x3\r\n\r\nabc', 400],
  ['a length with a blank inside', 'Content-Length: 3 4\r\n\r\nabc', 400],
  ['an empty length', 'Content-Length: \r\n\r\nabc', 400],
  ['a length that fits no integer', 'Content-Length: 99999999999999999999999\r\n\r\nabc', 400],
  ['a length that loses digits', 'Content-Length: 18446744073709551615\r\n\r\nabc', 413],
  ['Transfer-Encoding: identity', 'Transfer-Encoding: identity\r\nContent-Length: 3\r\n\r\nabc', 400],
  ['another coding below chunks', 'Transfer-Encoding: gzip, chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n', 501],
  ['chunks below another coding', 'Transfer-Encoding: chunked, gzip\r\n\r\n3\r\nabc\r\n0\r\n\r\n', 400],
  ['chunks twice', 'Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n', 400],
  [
    'chunks and identity',
    'Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n3\r\nabc\r\n0\r\n\r\n',
    400,
  ],
  ['a coding of another name', 'Transfer-Encoding: xchunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n', 400],
  ['a quoted coding', 'Transfer-Encoding: "chunked"\r\n\r\n3\r\nabc\r\n0\r\n\r\n', 400],
  ['a coding behind a vertical tab', 'Transfer-Encoding:\x0bchunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n', 400],
  ['a blank before the colon', 'Transfer-Encoding : chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n', 400],
  ['a folded coding (obs-fold)', 'Transfer-Encoding:\r\n chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n', 400],
  ['a coding hidden in a fold (obs-fold)', 'X-A: b\r\n Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n', 400],
  ['a bare LF between fields', 'X-A: b\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n', 400],
  ['a bare CR between fields', 'X-A: b\rTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n', 400],
  ['a bare CR before the end of a line', 'X-A: b\r\r\n\r\n', 400],
  ['a NUL in a value', 'X-A: b\0c\r\n\r\n', 400],
  ['a NUL in a name', 'X-\0A: b\r\n\r\n', 400],
  ['an empty field name', ': b\r\n\r\n', 400],
  ['a bare LF behind a chunk extension', 'Transfer-Encoding: chunked\r\n\r\n3;a\nabc\r\n0\r\n\r\n', 400],
  ['a bare LF behind a chunk size', 'Transfer-Encoding: chunked\r\n\r\n3\nabc\r\n0\r\n\r\n', 400],
  ['a bare LF behind a chunk', 'Transfer-Encoding: chunked\r\n\r\n3\r\nabc\n0\r\n\r\n', 400],
  ['a negative chunk', 'Transfer-Encoding: chunked\r\n\r\n-3\r\nabc\r\n0\r\n\r\n', 400],
  ['a chunk size with 0x', 'Transfer-Encoding: chunked\r\n\r\n0x3\r\nabc\r\n0\r\n\r\n', 400],
  ['a chunk size with a blank', 'Transfer-Encoding: chunked\r\n\r\n3 \r\nabc\r\n0\r\n\r\n', 400],
  ['a chunk size that wraps around', 'Transfer-Encoding: chunked\r\n\r\n10000000000000003\r\nabc\r\n0\r\n\r\n', 400],
  ['a chunk that is longer than its size', 'Transfer-Encoding: chunked\r\n\r\n3\r\nabcd\r\n0\r\n\r\n', 400],
  [
    'a chunk extension without end',
    `Transfer-Encoding: chunked\r\n\r\n3;${'a'.repeat(20_000)}\r\nabc\r\n0\r\n\r\n`,
    400,
  ],
  ['a length among the trailers', 'Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nContent-Length: 5\r\n\r\n', 400],
];

describe.each(ways)('request smuggling, %s', (way) => {
  let scene: AttackScene | undefined;
  afterEach(async () => {
    await scene?.close();
    scene = undefined;
  });

  it.each(ambiguous)('%s: refused, the upstream sees nothing, the connection ends', async (_name, rest, status) => {
    scene = await startAttackScene(way);
    for (const policy of ['strict', 'permissive'] as const) {
      const text = await scene.send(
        `POST TARGET/a HTTP/1.1\r\nHost: HOST\r\nAUTH\r\n${rest}`,
        scene.at.session(policy),
      );
      expect(statuses(text)).toEqual([status]);
      expect(text.toLowerCase()).toContain('connection: close');
    }
    expect(scene.upstream.received).toBe('');
  });

  it.each([
    [
      'Transfer-Encoding in HTTP/1.0',
      'POST TARGET/a HTTP/1.0\r\nHost: HOST\r\nAUTH\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
      400,
    ],
    ['a fold right behind the request line', 'GET TARGET/a HTTP/1.1\r\n Host: HOST\r\nAUTH\r\n\r\n', 400],
    ['bare LF everywhere', 'GET TARGET/a HTTP/1.1\nHost: HOST\nAUTH\n\n', 400],
    ['tabs in the request line', 'GET\tTARGET/a\tHTTP/1.1\r\nHost: HOST\r\nAUTH\r\n\r\n', 400],
    ['a blank in the target', 'GET TARGET/a b HTTP/1.1\r\nHost: HOST\r\nAUTH\r\n\r\n', 400],
    ['a tab in the target', 'GET TARGET/a\tb HTTP/1.1\r\nHost: HOST\r\nAUTH\r\n\r\n', 400],
    ['a byte above ASCII in the target', 'GET TARGET/\xe9 HTTP/1.1\r\nHost: HOST\r\nAUTH\r\n\r\n', 400],
    ['a NUL in the target', 'GET TARGET/\0 HTTP/1.1\r\nHost: HOST\r\nAUTH\r\n\r\n', 400],
    ['a version that nobody knows', 'GET TARGET/a HTTP/1.2\r\nHost: HOST\r\nAUTH\r\n\r\n', 400],
    ['a method in lower case', 'get TARGET/a HTTP/1.1\r\nHost: HOST\r\nAUTH\r\n\r\n', 400],
    ['the preface of HTTP/2', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 400],
    ['several Host fields', 'GET TARGET/a HTTP/1.1\r\nHost: HOST\r\nHost: evil.example\r\nAUTH\r\n\r\n', 400],
    [
      'another expectation',
      'POST TARGET/a HTTP/1.1\r\nHost: HOST\r\nAUTH\r\nExpect: 200-ok\r\nContent-Length: 3\r\n\r\nabc',
      417,
    ],
    [
      'several expectations',
      'POST TARGET/a HTTP/1.1\r\nHost: HOST\r\nAUTH\r\nExpect: 100-continue, x\r\nContent-Length: 3\r\n\r\nabc',
      417,
    ],
  ])('%s: refused, the upstream sees nothing', async (_name, request, status) => {
    scene = await startAttackScene(way);
    expect(statuses(await scene.send(request, scene.at.session('permissive')))).toEqual([status]);
    expect(scene.upstream.received).toBe('');
  });

  it.each([
    ['an expectation that cannot be met', 'GET TARGET/a HTTP/1.1\r\nHost: HOST\r\nAUTH\r\nExpect: x\r\n\r\n', 417],
    [
      'a coding that cannot be carried',
      'POST TARGET/a HTTP/1.1\r\nHost: HOST\r\nAUTH\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n',
      501,
    ],
    ['several Host fields', 'GET TARGET/a HTTP/1.1\r\nHost: HOST\r\nHost: HOST\r\nAUTH\r\n\r\n', 400],
  ])('%s is in the report', async (_name, request, status) => {
    scene = await startAttackScene(way);
    const session = scene.at.session();
    await scene.send(request, session);
    expect((await scene.at.report(session)).refusals).toMatchObject([{ phase: 'protocol', statusCode: status }]);
  });

  it.each([
    ['leading zeros', 'Content-Length: 0003\r\n\r\nabc'],
    ['tabs around the length', 'Content-Length:\t3\t\r\n\r\nabc'],
    ['chunks in capitals, with extensions', 'Transfer-Encoding: cHuNkEd\r\n\r\n3;a=b;c="d;e"\r\nabc\r\n0;x\r\n\r\n'],
    ['trailers', 'Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nX-Trailer: 1\r\nHost: evil.example\r\n\r\n'],
    [
      'Connection naming the framing',
      'Connection: content-length, transfer-encoding, host\r\nContent-Length: 3\r\n\r\nabc',
    ],
    [
      'framing spelled with underscores',
      'Content_Length: 30\r\nTransfer_Encoding: chunked\r\nContent-Length: 3\r\n\r\nabc',
    ],
  ])('%s: written anew, with one plain length', async (_name, rest) => {
    scene = await startAttackScene(way);
    const text = await scene.send(
      `POST TARGET/a HTTP/1.1\r\nHost: HOST\r\nAUTH\r\nConnection: close\r\n${rest}`,
      scene.at.session(),
    );
    expect(statuses(text)).toEqual([200]);
    const { received } = scene.upstream;
    expect(received).toMatch(/^POST \/a HTTP\/1\.1\r\n/);
    expect(received.split('\r\n\r\n')[1]).toBe('abc');
    const names = (received.split('\r\n\r\n')[0] ?? '')
      .split('\r\n')
      .slice(1)
      .map((line) => line.replace(/:.*/, '').toLowerCase());
    expect(names.filter((name) => /length|encoding$|trailer|host/.test(name)).sort()).toEqual([
      'accept-encoding',
      'content-length',
      'host',
    ]);
    expect(received).toMatch(/content-length: 3\r\n/i);
    expect(received).not.toMatch(/evil/);
  });

  it('a request in the body of another stays a body', async () => {
    scene = await startAttackScene(way);
    const hidden = 'GET /smuggled HTTP/1.1\r\nHost: HOST\r\n\r\n';
    const session = scene.at.session();
    const length = scene.fill(hidden, session).length;
    const text = await scene.send(
      `GET TARGET/a HTTP/1.1\r\nHost: HOST\r\nAUTH\r\nConnection: close\r\nContent-Length: ${length}\r\n\r\n${hidden}`,
      session,
    );
    expect(statuses(text)[0]).toBe(200);
    expect(session.inspected.requests.map(({ url }) => url.pathname)).toEqual(['/a']);
    expect(scene.upstream.received).toMatch(new RegExp(`content-length: ${length}\\r\\n`, 'i'));
  });

  it('a request behind one that asks for an upgrade does not get past the judgement', async () => {
    scene = await startAttackScene(way);
    const session = scene.at.session('strict', {
      onRequest: ({ url }) =>
        url.pathname === '/a' ? { opinion: 'Pending', reason: 'wanted' } : { opinion: 'Rejected', reason: 'no' },
    });
    const request = (path: string, more: string) => `GET TARGET${path} HTTP/1.1\r\nHost: HOST\r\nAUTH\r\n${more}\r\n`;
    const upgrade =
      'Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n';
    const [first, ...others] = statuses(await scene.send(request('/a', upgrade) + request('/smuggled', ''), session));
    expect(first).toBe(200);
    // Not read at all, or refused.
    expect(others).not.toContain(200);
    expect(scene.upstream.received).not.toContain('smuggled');
    expect(scene.upstream.received.toLowerCase()).not.toContain('upgrade:');
  });

  it('bytes behind a begun answer that are no request: the answer breaks off, nothing of ours gets into its body', async () => {
    const body = 'x'.repeat(3 << 20);
    let isAsked = false;
    scene = await startAttackScene(way, {
      answer: (socket) => {
        isAsked = true;
        socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\n\r\n${body.slice(0, 2 << 20)}`);
      },
    });
    const session = scene.at.session('permissive');
    const socket = await scene.connect(session);
    let text = '';
    socket.on('data', (chunk: Buffer) => {
      text += chunk.toString('latin1');
    });
    socket.write(scene.fill('GET TARGET/a HTTP/1.1\r\nHost: HOST\r\nAUTH\r\n\r\n', session));
    await until(() => isAsked && text.length > 1 << 20, 'a part of the body');
    const end = readAll(socket);
    socket.write('this is no request\r\n\r\n');
    await end;
    expect(statuses(text)).toEqual([200]);
    expect(text.replace(/^[\s\S]*?\r\n\r\n/, '')).toMatch(/^x+$/);
    expect((await scene.at.report(session)).downloads).toEqual([]);
  });
});

it('the Host field of a request in absolute form is not believed: the upstream gets the one of the URL', async () => {
  const scene = await startAttackScene('plain');
  try {
    for (const host of ['evil.example', '127.0.0.1:1', '', 'evil@HOST', 'HOST, evil.example']) {
      const text = await scene.send(
        `GET TARGET/a HTTP/1.1\r\nHost: ${host}\r\nAUTH\r\nConnection: close\r\n\r\n`,
        scene.at.session(),
      );
      expect(statuses(text)).toEqual([200]);
    }
    const hosts = scene.upstream.heads.map((head) => /^host: (.*)$/im.exec(head)?.[1]);
    expect(hosts).toEqual(Array(5).fill(scene.host));
  } finally {
    await scene.close();
  }
});

it('HTTP/1.0 clients are not sent 100 Continue, which they would take for the answer', async () => {
  const scene = await startAttackScene('plain');
  try {
    const request =
      'POST TARGET/a HTTP/1.0\r\nHost: HOST\r\nAUTH\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\nabc';
    expect(statuses(await scene.send(request, scene.at.session()))).toEqual([200]);
  } finally {
    await scene.close();
  }
});
