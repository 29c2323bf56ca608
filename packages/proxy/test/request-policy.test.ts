import type { RequestInspection } from '@waybill/contracts';
import { createRequestPolicy } from '@waybill/policy';
import { startHttpUpstream } from '@waybill/testkit';
import { afterEach, describe, expect, it } from 'vitest';
import { type ClientRequest, fetchThrough } from './client.js';
import { fakeLimits } from './fake-session.js';
import { startTestProxy } from './harness.js';

const closing: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0)) await close();
});

async function start(policy: 'strict' | 'permissive', needs: RequestInspection['needs'] = undefined) {
  const upstream = await startHttpUpstream((request, response) => {
    request.resume().once('end', () => response.end('done'));
  });
  const at = await startTestProxy();
  closing.push(at.close, upstream.close);
  const session = at.session(policy, { onRequest: () => ({ opinion: 'Pending', reason: 'mine', needs }) });
  session.requestPolicy = createRequestPolicy();
  session.limits = { ...fakeLimits, inspectedRequestBytes: 1000 };
  return { upstream, at, session };
}

const attempts: [string, string, ClientRequest, RegExp][] = [
  ['a method that writes', '/a', { method: 'PUT' }, /the method PUT may not go upstream/],
  ['a query string', '/a?loot=aHVudGVyMg', {}, /the query string has 15 bytes/],
  ['a body', '/a', { body: 'loot' }, /the body has 4 bytes/],
  ['a body in chunks', '/a', { body: 'loot', headers: { 'Transfer-Encoding': 'chunked' } }, /the body has 4 bytes/],
  ['much in fields', '/a', { headers: { 'X-Loot': 'x'.repeat(2000) } }, /package clients do not send have 2006 bytes/],
  [
    'much in many fields',
    '/a',
    { headers: Object.fromEntries(Array.from({ length: 99 }, (_, i) => [`X-${i}`, '1'])) },
    /header fields, at most 64/,
  ],
  ['a long path', `/${'x'.repeat(3000)}`, {}, /the URL has \d+ bytes/],
];

describe.each(attempts)('%s towards an upstream that inspectors let pass', (_name, path, how, reason) => {
  it('strict: 403 with the reason and the key, nothing goes upstream, recorded', async () => {
    const { upstream, at, session } = await start('strict');
    const got = await fetchThrough(at, session, `${upstream.url}${path}`, how);
    expect(got.status).toBe(403);
    expect(got.text).toMatch(/^download authorization denied: /);
    expect(got.text).toMatch(reason);
    expect(got.text).toMatch(/\(requests\.[a-z-]+\) \(.*under requests\.rules in inspectors\.yaml\)\n$/);
    expect(upstream.requests).toEqual([]);
    const { refusals } = await at.report(session);
    expect(refusals).toMatchObject([{ phase: 'request', delivered: false, reason: expect.stringMatching(reason) }]);
  });

  it('permissive: delivered, with the verdict that strict would have given (promise 4)', async () => {
    const { upstream, at, session } = await start('permissive');
    const got = await fetchThrough(at, session, `${upstream.url}${path}`, how);
    expect([got.status, got.text]).toEqual([200, 'done']);
    const { refusals, downloads } = await at.report(session);
    expect(downloads).toMatchObject([{ result: 'Rejected' }]);
    expect(refusals).toMatchObject([{ phase: 'request', delivered: true, reason: expect.stringMatching(reason) }]);
  });
});

describe('what the inspector needs', () => {
  it('may pass', async () => {
    const { upstream, at, session } = await start('strict', ['method', 'body', 'query']);
    const got = await fetchThrough(at, session, `${upstream.url}/a?b`, { method: 'POST', body: 'wanted' });
    expect([got.status, got.text]).toEqual([200, 'done']);
    expect((await at.report(session)).downloads).toMatchObject([{ result: 'Approved' }]);
  });

  it('permissive, a body too large to be seen: rejected as in strict', async () => {
    const { upstream, at, session } = await start('permissive', ['method']);
    const body = 'x'.repeat(5000);
    const got = await fetchThrough(at, session, `${upstream.url}/a`, { method: 'POST', body });
    expect(got.text).toBe('done');
    expect((await at.report(session)).refusals).toMatchObject([
      { delivered: true, reason: /^the body has 5000 bytes/ },
    ]);
  });
});
