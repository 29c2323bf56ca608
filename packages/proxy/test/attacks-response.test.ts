import type { Socket } from 'node:net';
import type { SessionPolicy } from '@waybill/contracts';
import { afterEach, describe, expect, it } from 'vitest';
import { type AttackScene, startAttackScene, statuses } from './attack-scene.js';
import { fetchThrough } from './client.js';
import { fakeLimits } from './fake-session.js';
import { until } from './until.js';

const ok = 'HTTP/1.1 200 OK\r\n';
const chunked = `${ok}Transfer-Encoding: chunked\r\n\r\n`;

/** An upstream that wants more, or something else, to get to the client than what is judged. */
describe('a malicious upstream', () => {
  let scene: AttackScene | undefined;
  afterEach(async () => {
    await scene?.close();
    scene = undefined;
  });

  async function ask(said: string | ((socket: Socket) => void), policy: SessionPolicy = 'permissive', method = 'GET') {
    const answer = typeof said === 'string' ? (socket: Socket) => void socket.write(Buffer.from(said, 'latin1')) : said;
    scene = await startAttackScene('plain', { answer });
    const session = scene.at.session(policy);
    session.limits = { ...fakeLimits, upstreamIdleTimeoutMs: 700 };
    const got = await fetchThrough(scene.at, session, `${scene.upstream.url}/a`, { method });
    return { got, session, report: await scene.at.report(session), scene };
  }

  it.each([
    ['the same length twice', `${ok}Content-Length: 2\r\nContent-Length: 2\r\n\r\nok`],
    ['a list of lengths', `${ok}Content-Length: 2, 2\r\n\r\nok`],
    ['a length with a sign', `${ok}Content-Length: +2\r\n\r\nok`],
    ['a negative length', `${ok}Content-Length: -1\r\n\r\nok`],
    ['a hexadecimal length', `${ok}Content-Length: 0x2\r\n\r\nok`],
    ['an empty length', `${ok}Content-Length:\r\n\r\nok`],
    ['a length and Transfer-Encoding: identity', `${ok}Transfer-Encoding: identity\r\nContent-Length: 2\r\n\r\nok`],
    ['Transfer-Encoding: identity', `${ok}Transfer-Encoding: identity\r\nConnection: close\r\n\r\nok`],
    ['another coding below chunks', `${ok}Transfer-Encoding: gzip, chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n`],
    ['chunks below another coding', `${ok}Transfer-Encoding: chunked, gzip\r\n\r\n2\r\nok\r\n0\r\n\r\n`],
    ['a coding of another name', `${ok}Transfer-Encoding: xchunked\r\n\r\n2\r\nok\r\n0\r\n\r\n`],
    ['chunks twice', `${ok}Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n`],
    ['a folded coding (obs-fold)', `${ok}Transfer-Encoding:\r\n chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n`],
    ['a length hidden in a fold (obs-fold)', `${ok}X-A: b\r\n Content-Length: 5\r\nContent-Length: 2\r\n\r\nok`],
    ['bare LF', 'HTTP/1.1 200 OK\nContent-Length: 2\n\nok'],
    ['a bare LF between fields', `${ok}X-A: b\nContent-Length: 2\r\n\r\nok`],
    ['a bare CR between fields', `${ok}X-A: b\rX-B: c\r\nContent-Length: 2\r\n\r\nok`],
    ['a NUL in a value', `${ok}X-A: b\0c\r\nContent-Length: 2\r\n\r\nok`],
    ['an escape sequence in a value', `${ok}X-A: \x1b[31mred\r\nContent-Length: 2\r\n\r\nok`],
    ['a blank before the colon', `${ok}Content-Length : 2\r\n\r\nok`],
    ['a field name that is no token', `${ok}X(A): x\r\nContent-Length: 2\r\n\r\nok`],
    ['an empty field name', `${ok}: x\r\nContent-Length: 2\r\n\r\nok`],
    ['status 99', 'HTTP/1.1 99 X\r\nContent-Length: 2\r\n\r\nok'],
    ['status 000', 'HTTP/1.1 000 X\r\nContent-Length: 2\r\n\r\nok'],
    ['status 1000', 'HTTP/1.1 1000 X\r\nContent-Length: 2\r\n\r\nok'],
    ['a body without a head (HTTP/0.9)', 'evil'],
    ['a chunk size that wraps around', `${chunked}10000000000000002\r\nok\r\n0\r\n\r\n`],
    ['bare LF behind chunk sizes', `${chunked}2\nok\n0\n\n`],
    ['a chunk that is longer than its size', `${chunked}2\r\nokk\r\n0\r\n\r\n`],
    ['a length among the trailers', `${chunked}2\r\nok\r\n0\r\nContent-Length: 5\r\n\r\n`],
    ['trailers without end', `${chunked}2\r\nok\r\n0\r\n${`X-T: ${'a'.repeat(1000)}\r\n`.repeat(200)}\r\n`],
    ['header fields without end', `${ok}${'a: b\r\n'.repeat(300)}Content-Length: 2\r\n\r\nok`],
    ['one field without end', `${ok}X-A: ${'a'.repeat(1 << 20)}\r\nContent-Length: 2\r\n\r\nok`],
    ['interim answers without end', 'HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n'.repeat(100)],
    [
      'an upgrade that nobody asked for',
      'HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\nevil',
    ],
  ])('that says %s: 502 in both policies, recorded, never an artifact', async (_name, said) => {
    for (const policy of ['strict', 'permissive'] as const) {
      const { got, report } = await ask(said, policy);
      expect(got.status).toBe(502);
      expect(got.text).not.toMatch(/evil/);
      expect(report.downloads).toEqual([]);
      expect(report.failures).toMatchObject([{ phase: 'upstream', statusCode: 502 }]);
      expect(scene?.at.blobs.openWriters).toBe(0);
      await scene?.close();
    }
  });

  it.each<[string, (socket: Socket) => void, string]>([
    ['header fields', (socket) => void socket.write(ok), 'X-A: b\r\n'],
    ['one field', (socket) => void socket.write(`${ok}X-A: `), 'bbbb'],
    ['interim answers', () => {}, 'HTTP/1.1 103 Early Hints\r\n\r\n'],
    ['a chunk extension', (socket) => void socket.write(`${chunked}2;`), 'a'],
    ['trailers', (socket) => void socket.write(`${chunked}2\r\nok\r\n0\r\n`), 'X-A: b\r\n'],
  ])('that never ends %s, drop by drop: given up', async (_name, first, more) => {
    const {
      got,
      report,
      scene: at,
    } = await ask((socket) => {
      first(socket);
      const timer = setInterval(() => socket.writable && socket.write(more), 20);
      socket.once('close', () => clearInterval(timer));
    }, 'strict');
    expect([502, 504]).toContain(got.status);
    expect(report.failures).toMatchObject([{ phase: 'upstream' }]);
    await until(() => at.upstream.open === 0, 'the end of the connection to the upstream');
  });

  it.each([
    ['204', 'GET', 'HTTP/1.1 204 No Content\r\nContent-Length: 4\r\n\r\nevil'],
    ['204 in chunks', 'GET', 'HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nevil\r\n0\r\n\r\n'],
    ['205', 'GET', 'HTTP/1.1 205 Reset Content\r\nContent-Length: 4\r\n\r\nevil'],
    ['304', 'GET', 'HTTP/1.1 304 Not Modified\r\nContent-Length: 4\r\n\r\nevil'],
    ['an answer to HEAD', 'HEAD', `${ok}Content-Length: 4\r\n\r\nevil`],
    ['an answer to HEAD in chunks', 'HEAD', `${chunked}4\r\nevil\r\n0\r\n\r\n`],
  ])('that sends a body with %s: not one byte of it gets to the client', async (_name, method, said) => {
    const { got, report } = await ask(said, 'strict', method);
    expect(got.text).toBe('');
    expect(got.broken).toBeUndefined();
    expect(report.downloads).toEqual([]);
  });

  it.each([
    ['behind a 204', 'HTTP/1.1 204 No Content\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil'],
    ['behind a 200', `${ok}Content-Length: 4\r\n\r\ngoodHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil`],
    ['behind chunks', `${chunked}4\r\ngood\r\n0\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil`],
    [
      'as the body of a 304',
      'HTTP/1.1 304 Not Modified\r\nContent-Length: 42\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil',
    ],
  ])('that queues an answer for the next request %s: that one gets its own', async (_name, first) => {
    let isFirst = true;
    const { scene: at } = await ask((socket) => {
      socket.write(isFirst ? first : `${ok}Content-Length: 4\r\n\r\nmine`);
      isFirst = false;
    });
    const session = at.at.session('permissive');
    expect((await fetchThrough(at.at, session, `${at.upstream.url}/b`)).text).toBe('mine');
  });

  it('trailers that would change the head are not passed on', async () => {
    const fields = [
      'X-Sum: abc',
      'Set-Cookie: a=b',
      'Connection: X-Sum2',
      'Host: evil.example',
      'Content-Encoding: gzip',
    ];
    const more = [
      'Proxy-Authenticate: Basic',
      'Transfer-Encoding: gzip',
      'Location: http://evil.example/',
      'Keep-Alive: 1',
    ];
    const { got } = await ask(`${chunked}2\r\nok\r\n0\r\n${[...fields, ...more].join('\r\n')}\r\n\r\n`);
    expect([got.status, got.text, got.broken]).toEqual([200, 'ok', undefined]);
    expect(got.rawTrailers).toEqual(['X-Sum', 'abc']);
  });

  it.each([
    ['a NUL', '\0'],
    ['an escape sequence', '\x1b[2J'],
    ['a bell', '\x07'],
  ])('a reason phrase with %s is cleaned for the client and the report', async (_name, evil) => {
    const { got, report } = await ask(`HTTP/1.1 200 ${evil}Fine\r\nContent-Length: 2\r\n\r\nok`);
    expect(got.status).toBe(200);
    // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what must not be there
    expect(`${got.statusText}${report.downloads[0]?.status}`).not.toMatch(/[\0\x07\x1b]/);
  });

  it('an answer before the request was read, and the end of the connection: the next request is none of its bytes', async () => {
    const { scene: at } = await ask((socket) => void socket.write(`${ok}Content-Length: 2\r\n\r\nok`));
    const session = at.at.session('permissive');
    const body = 'GET /smuggled HTTP/1.1\r\nHost: evil.example\r\n\r\n'.repeat(4000);
    await fetchThrough(at.at, session, `${at.upstream.url}/upload`, { method: 'POST', body });
    await fetchThrough(at.at, session, `${at.upstream.url}/b`);
    const text = await at.send('GET TARGET/c HTTP/1.1\r\nHost: HOST\r\nAUTH\r\nConnection: close\r\n\r\n', session);
    expect(statuses(text)).toEqual([200]);
    // Whatever the upstream made of the body, each request of the client was framed by us.
    expect(at.upstream.received).toMatch(
      new RegExp(`POST /upload HTTP/1\\.1[\\s\\S]*content-length: ${body.length}`, 'i'),
    );
  });
});
