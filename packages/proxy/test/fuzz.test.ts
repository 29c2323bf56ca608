import { startHttpUpstream, startRawUpstream } from '@waybill/testkit';
import { afterEach, expect, it } from 'vitest';
import { dial, fetchThrough, openTunnel, readAll } from './client.js';
import { fakeLimits } from './fake-session.js';
import { startTestProxy } from './harness.js';
import { until } from './until.js';

const closing: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0)) await close();
});

/** Numbers below `limit`, the same in every run. @see Steele and Vigna, SplitMix */
function numbers(seed: number): (limit: number) => number {
  let state = seed;
  return (limit) => {
    state = (state + 0x9e3779b9) | 0;
    let z = state ^ (state >>> 16);
    z = Math.imul(z, 0x21f0aaad);
    z = Math.imul(z ^ (z >>> 15), 0x735a2d97);
    return ((z ^ (z >>> 15)) >>> 0) % limit;
  };
}

/** Changes, drops, doubles and inserts bytes. */
function mutate(text: string, next: (limit: number) => number): Buffer {
  let bytes = Buffer.from(text, 'latin1');
  for (let i = next(6); i >= 0; i -= 1) {
    const at = next(bytes.length + 1);
    const kind = next(4);
    const end = kind === 0 ? at + 1 : kind === 1 ? at + next(20) : at;
    const insert =
      kind === 1 ? Buffer.alloc(0) : kind === 2 ? bytes.subarray(at, at + next(40)) : Buffer.from([next(256)]);
    bytes = Buffer.concat([bytes.subarray(0, at), insert, bytes.subarray(end)]);
  }
  return bytes;
}

const answers = [
  'HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX-A: b\r\n\r\nhello',
  'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-B\r\n\r\n5\r\nhello\r\n0\r\nX-B: c\r\n\r\n',
  'HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 404 Not Found\r\nConnection: close\r\n\r\nbody',
  'HTTP/1.0 302 Found\r\nLocation: /x\r\n\r\n',
];

it('no answer of an upstream, however broken, ends the process or is taken for an artifact it is not', async () => {
  const next = numbers(1);
  const upstream = await startRawUpstream((socket) => {
    const bytes = mutate(answers[next(answers.length)] as string, next);
    const cut = next(bytes.length + 1);
    socket.write(bytes.subarray(0, cut));
    setTimeout(() => (next(2) === 0 ? socket.end(bytes.subarray(cut)) : socket.write(bytes.subarray(cut))), next(4));
  });
  const at = await startTestProxy();
  closing.push(at.close, upstream.close);
  const sessions = [at.session('strict'), at.session('permissive')];
  for (const session of sessions) session.limits = { ...fakeLimits, upstreamIdleTimeoutMs: 100 };
  for (let i = 0; i < 160; i += 40) {
    await Promise.all(
      Array.from({ length: 40 }, (_, n) => fetchThrough(at, sessions[n % 2], `${upstream.url}/${i + n}`)),
    );
  }
  await until(() => at.proxy.stats().exchanges === 0);
  const reports = await Promise.all(sessions.map((session) => at.report(session)));
  const ends = reports.flatMap(({ downloads, responses, refusals, failures }) => [
    ...downloads,
    ...responses,
    ...failures,
    ...refusals.filter(({ phase }) => phase === 'protocol'),
  ]);
  expect(ends).toHaveLength(160);
  expect(at.blobs.openWriters).toBe(0);
  // Still alive and well.
  const fine = await startHttpUpstream((_request, response) => void response.end('fine'));
  closing.push(fine.close);
  expect((await fetchThrough(at, sessions[0], `${fine.url}/`)).text).toBe('fine');
});

it('no request of a client, however broken, ends the process', async () => {
  const next = numbers(2);
  const upstream = await startHttpUpstream((_request, response) => void response.end('fine'));
  const at = await startTestProxy();
  closing.push(at.close, upstream.close);
  const session = at.session('permissive');
  const authorization = `Proxy-Authorization: ${session.authorization}`;
  const host = `127.0.0.1:${upstream.port}`;
  const plain = [
    `GET ${upstream.url}/a HTTP/1.1\r\nHost: x\r\n${authorization}\r\nRange: bytes=0-1\r\n\r\n`,
    `POST ${upstream.url}/a HTTP/1.1\r\nHost: x\r\n${authorization}\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n`,
    `CONNECT ${host} HTTP/1.1\r\nHost: x\r\n${authorization}\r\n\r\nGET /a HTTP/1.1\r\nHost: ${host}\r\n\r\n`,
  ];
  const inside = [
    `GET /a HTTP/1.1\r\nHost: tunnel.example\r\nIf-None-Match: "x"\r\n\r\n`,
    'OPTIONS * HTTP/1.1\r\nHost: tunnel.example\r\n\r\n',
  ];
  const one = async (index: number) => {
    const isInside = index % 4 === 0;
    const socket = isInside ? await openTunnel(at, session, 'tunnel.example:443') : await dial(at);
    const rest = readAll(socket);
    const texts = isInside ? inside : plain;
    socket.write(mutate(texts[next(texts.length)] as string, next));
    setTimeout(() => socket.destroy(), 40);
    await rest;
  };
  for (let i = 0; i < 160; i += 8) await Promise.all(Array.from({ length: 8 }, (_, n) => one(i + n)));
  await until(() => at.proxy.stats().exchanges === 0 && at.proxy.stats().connections === 0, 'the end of all');
  expect((await fetchThrough(at, session, `${upstream.url}/`)).text).toBe('fine');
});
