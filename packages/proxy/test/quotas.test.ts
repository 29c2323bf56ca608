import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import type { SessionQuotas } from '@waybill/contracts';
import { startHttpUpstream, type UpstreamHandler } from '@waybill/testkit';
import { afterEach, describe, expect, it } from 'vitest';
import { askConnect, dial, fetchThrough, openTunnel, readAll, readUntil } from './client.js';
import { fakeLimits } from './fake-session.js';
import { startTestProxy } from './harness.js';
import { until } from './until.js';

const closing: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0)) await close();
});

const none: SessionQuotas = {
  connections: 0,
  exchanges: 0,
  requestsPerSecond: 0,
  bytesPerSecond: 0,
  totalBytes: 0,
  downloads: 0,
};

async function start(
  quotas: Partial<SessionQuotas>,
  handler: UpstreamHandler,
  options: Parameters<typeof startTestProxy>[0] = {},
) {
  const upstream = await startHttpUpstream(handler);
  const at = await startTestProxy(options);
  closing.push(at.close, upstream.close);
  const session = at.session();
  session.limits = { ...fakeLimits, quotas: { ...none, ...quotas } };
  return { upstream, at, session, get: (path = '/a') => fetchThrough(at, session, `${upstream.url}${path}`) };
}

const sayHello: UpstreamHandler = (_request, response) => void response.end('hello');

/** Answers when the test says so, and tells how many wait. */
function gate() {
  const waiting: (() => void)[] = [];
  let most = 0;
  const handler: UpstreamHandler = (_request, response) => {
    waiting.push(() => response.end('hello'));
    most = Math.max(most, waiting.length);
  };
  return {
    handler,
    waiting,
    most: () => most,
    open() {
      for (const answer of waiting.splice(0)) answer();
    },
  };
}

describe('limits.connections', () => {
  it('CONNECT beyond it: 429 that says what to do, recorded; there is room again when one closes', async () => {
    const { at, session } = await start({ connections: 2 }, sayHello);
    const [first] = [await openTunnel(at, session, 'a.example:443'), await openTunnel(at, session, 'b.example:443')];
    const third = await dial(at);
    const rest = readAll(third);
    third.write(`CONNECT c.example:443 HTTP/1.1\r\nHost: c\r\nProxy-Authorization: ${session.authorization}\r\n\r\n`);
    const { text } = await rest;
    expect(text).toMatch(/^HTTP\/1\.1 429 .*\r\n(?:.*\r\n)*Retry-After: \d+\r\n/);
    expect(text).toMatch(
      /the session has 2 connections open, as many as it may \(raise limits\.connections in inspectors/,
    );
    expect((await at.report(session)).refusals).toMatchObject([
      { phase: 'session', statusCode: 429, url: 'https://c.example:443', hint: expect.stringContaining('connections') },
    ]);
    first?.destroy();
    await until(() => at.proxy.stats().connections === 1);
    expect(await askConnect(await dial(at), session, 'd.example:443')).toMatch(/ 200 /);
  });

  it('plain requests beyond it: 429, recorded; another session is not concerned', async () => {
    const { at, upstream, session, get } = await start({ connections: 1 }, sayHello);
    const kept = await dial(at);
    kept.write(`GET ${upstream.url}/a HTTP/1.1\r\nHost: x\r\nProxy-Authorization: ${session.authorization}\r\n\r\n`);
    expect(await readUntil(kept, 'hello')).toMatch(/^HTTP\/1\.1 200 /);
    expect(await get('/b')).toMatchObject({ status: 429, headers: { 'retry-after': '5' } });
    expect((await fetchThrough(at, at.session(), `${upstream.url}/c`)).status).toBe(200);
    kept.write(`GET ${upstream.url}/d HTTP/1.1\r\nHost: x\r\nProxy-Authorization: ${session.authorization}\r\n\r\n`);
    expect(await readUntil(kept, 'hello')).toMatch(/^HTTP\/1\.1 200 /);
    expect((await at.report(session)).refusals).toMatchObject([{ phase: 'session', statusCode: 429 }]);
  });
});

describe('limits.exchanges', () => {
  it('more at a time wait for their turn, all are served, never more reach the upstream', async () => {
    const { handler, waiting, most, open } = gate();
    const { at, get } = await start({ exchanges: 2 }, handler);
    const answers = Array.from({ length: 6 }, () => get());
    for (let done = 0; done < 6; done += 2) {
      await until(() => waiting.length === 2 && at.proxy.stats().waiting === 4 - done);
      open();
    }
    expect((await Promise.all(answers)).map(({ text }) => text)).toEqual(Array.from({ length: 6 }, () => 'hello'));
    expect(most()).toBe(2);
    expect(at.proxy.stats()).toMatchObject({ exchanges: 0, waiting: 0 });
  });

  it('a turn that does not come: 429, recorded, nothing goes upstream', async () => {
    const { handler, waiting, open } = gate();
    const { at, session, upstream, get } = await start({ exchanges: 1 }, handler, { limits: { turnWaitMs: 50 } });
    const first = get();
    await until(() => waiting.length === 1);
    const second = await get('/b');
    expect(second.status).toBe(429);
    expect(second.text).toMatch(/1 requests of the session are under way, as many as may: .*limits\.exchanges/);
    open();
    expect((await first).text).toBe('hello');
    expect(upstream.requests.map(({ target }) => target)).toEqual(['/a']);
    expect((await at.report(session)).refusals).toMatchObject([{ phase: 'session', statusCode: 429 }]);
  });

  it('who waits and goes, or whose session ends (promise 3), leaves nothing behind', async () => {
    const { handler, waiting, open } = gate();
    const { at, session, upstream, get } = await start({ exchanges: 1 }, handler);
    const first = get();
    await until(() => waiting.length === 1);
    const leaving = await dial(at);
    leaving.write(`GET ${upstream.url}/b HTTP/1.1\r\nHost: x\r\nProxy-Authorization: ${session.authorization}\r\n\r\n`);
    await until(() => at.proxy.stats().waiting === 1);
    leaving.destroy();
    await until(() => at.proxy.stats().waiting === 0);
    const staying = get('/c');
    await until(() => at.proxy.stats().waiting === 1);
    session.end();
    expect([(await staying).broken, (await first).broken]).toEqual(['ECONNRESET', 'ECONNRESET']);
    open();
    await until(() => at.proxy.stats().exchanges === 0);
    expect(at.proxy.stats().waiting).toBe(0);
    expect(upstream.requests).toHaveLength(1);
  });
});

describe('limits.requests-per-second', () => {
  it('more wait: the rate holds, all are served', async () => {
    const { get } = await start({ requestsPerSecond: 20 }, sayHello);
    const begun = performance.now();
    const answers = await Promise.all(Array.from({ length: 30 }, () => get()));
    expect(answers.every(({ status }) => status === 200)).toBe(true);
    expect(performance.now() - begun).toBeGreaterThan(450);
  });

  it('far more: 429, recorded', async () => {
    const { at, session, get } = await start({ requestsPerSecond: 1 }, sayHello, { limits: { turnWaitMs: 100 } });
    expect((await get()).status).toBe(200);
    const refused = await get();
    expect([refused.status, refused.text]).toEqual([429, expect.stringContaining('limits.requests-per-second')]);
    expect((await at.report(session)).refusals).toHaveLength(1);
  });
});

describe('limits.bytes-per-second', () => {
  it('the upstream is read no faster, several transfers together', async () => {
    const body = randomBytes(100_000);
    const { get } = await start({ bytesPerSecond: 200_000 }, (_request, response) => void response.end(body));
    const begun = performance.now();
    const answers = await Promise.all(Array.from({ length: 3 }, () => get()));
    expect(answers.every((answer) => answer.body.equals(body))).toBe(true);
    // 300 000 bytes, of which 200 000 are the burst of the first second.
    expect(performance.now() - begun).toBeGreaterThan(450);
  });

  it('by back-pressure, not by memory: the upstream cannot send ahead', async () => {
    let sent = 0;
    const piece = randomBytes(64 * 1024);
    const { get, session } = await start({ bytesPerSecond: 100_000 }, async (_request, response) => {
      const closed = once(response, 'close');
      void closed.then(() => (sent = -1));
      while (sent >= 0 && sent < 200 * 2 ** 20) {
        sent += piece.length;
        if (!response.write(piece))
          await new Promise((resolve) => response.once('drain', resolve).once('close', resolve));
      }
    });
    const answer = get();
    let before = -1;
    await until(() => {
      const isStill = sent === before && sent > 0;
      before = sent;
      return isStill;
    });
    // What lies in socket buffers of both sides, undici and us.
    expect(sent).toBeLessThan(32 * 2 ** 20);
    session.end();
    await answer;
  });
});

describe('limits.total-bytes', () => {
  it('a body that is announced too large: 403; smaller ones still come', async () => {
    const { at, session, get } = await start({ totalBytes: 100 }, (request, response) => {
      const body = 'x'.repeat(Number(request.url?.slice(1)));
      response.writeHead(200, { 'Content-Length': body.length }).end(body);
    });
    expect((await get('/60')).status).toBe(200);
    const refused = await get('/60');
    expect([refused.status, refused.text]).toEqual([
      403,
      expect.stringMatching(/used up the 100 bytes that it may download .*limits\.total-bytes/),
    ]);
    expect((await get('/40')).status).toBe(200);
    expect((await get('/1')).status).toBe(403);
    expect((await at.report(session)).refusals).toHaveLength(2);
  });

  it('a body without length: broken off when it is too much, nothing of it is completed', async () => {
    const { get, at, session } = await start({ totalBytes: 1000 }, (_request, response) => {
      response.write('x'.repeat(600));
      setTimeout(() => response.end('x'.repeat(600)), 20);
    });
    expect((await get()).status).toBe(403);
    const { downloads, refusals } = await at.report(session);
    expect([downloads.length, refusals.length]).toEqual([0, 1]);
  });

  it('what other processes recorded counts, and is not read for each request', async () => {
    let reads = 0;
    const recordedUse = async () => {
      reads += 1;
      return { bytes: 95, downloads: 3 };
    };
    const { get } = await start({ totalBytes: 100 }, sayHello, { recordedUse });
    expect((await get()).status).toBe(200);
    expect((await get()).status).toBe(403);
    expect(reads).toBe(1);
  });

  it('records that cannot be read refuse (promise 5)', async () => {
    const recordedUse = async () => Promise.reject(new Error('no database'));
    const { get, upstream } = await start({ totalBytes: 100 }, sayHello, { recordedUse });
    const refused = await get();
    expect([refused.status, refused.text]).toEqual([503, expect.stringContaining('no database')]);
    expect(upstream.requests).toEqual([]);
  });
});

describe('limits.downloads', () => {
  it('artifacts count, failures do not, and not one more comes in, however many at once', async () => {
    const { get, at, session } = await start({ downloads: 3 }, (request, response) => {
      response.statusCode = request.url === '/missing' ? 404 : 200;
      response.end('hello');
    });
    for (let i = 0; i < 5; i++) expect((await get('/missing')).status).toBe(404);
    const answers = await Promise.all(Array.from({ length: 8 }, () => get()));
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(3);
    const refused = answers.filter(({ status }) => status === 403);
    expect(refused).toHaveLength(5);
    expect(refused[0]?.text).toMatch(/used up its 3 downloads .*limits\.downloads/);
    const { downloads, refusals } = await at.report(session);
    expect([downloads.length, refusals.length]).toEqual([3, 5]);
  });
});

it('several processes divide what holds at a time', async () => {
  const { handler, waiting, open } = gate();
  const { at, get } = await start({ exchanges: 5 }, handler, { processes: 4 });
  const answers = Array.from({ length: 4 }, () => get());
  await until(() => waiting.length === 2 && at.proxy.stats().waiting === 2);
  open();
  await until(() => waiting.length === 2);
  open();
  expect((await Promise.all(answers)).every(({ status }) => status === 200)).toBe(true);
});
