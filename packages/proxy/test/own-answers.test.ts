import type { RequestInspection } from '@waybill/contracts';
import { startHttpUpstream } from '@waybill/testkit';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { fetchThrough } from './client.js';
import { startTestProxy, type TestProxy } from './harness.js';
import { infoOf } from './memory-blobs.js';

/** What an inspector says of a request that the configuration answers. */
const answered: RequestInspection = {
  opinion: 'Pending',
  reason: 'answered by configuration',
  needs: ['method', 'body'],
  answer: { contentType: 'application/json', body: '{"none":true}' },
};

describe('an answer of the service’s own', () => {
  let at: TestProxy;
  let upstream: Awaited<ReturnType<typeof startHttpUpstream>>;

  beforeEach(async () => {
    upstream = await startHttpUpstream((_request, response) => void response.end('the upstream'));
    at = await startTestProxy();
  });
  afterEach(async () => {
    await at.close();
    await upstream.close();
  });

  it.each(['strict', 'permissive'] as const)(
    '%s: given without a word to the upstream, inspected and recorded',
    async (policy) => {
      const session = at.session(policy, { onRequest: () => answered });
      const got = await fetchThrough(at, session, `${upstream.url}/audit`, { method: 'POST', body: 'a question' });
      expect([got.status, got.text, got.headers['content-type']]).toEqual([200, '{"none":true}', 'application/json']);
      expect(upstream.connections).toBe(0);
      expect(session.inspected.artifacts).toHaveLength(1);
      const { downloads, refusals, failures } = await at.report(session);
      expect([...refusals, ...failures]).toEqual([]);
      const { sha256 } = infoOf(Buffer.from('{"none":true}')).digests;
      expect(downloads).toMatchObject([
        { delivery: 'answered', result: 'Approved', statusCode: 200, responseHeader: {}, metadata: { sha256 } },
      ]);
    },
  );

  it('that its own inspector rejects is refused in strict', async () => {
    const session = at.session('strict', {
      onRequest: () => answered,
      onArtifact: () => ({ opinion: 'Rejected', reason: 'not like this' }),
    });
    const got = await fetchThrough(at, session, `${upstream.url}/audit`, { method: 'POST', body: 'a question' });
    expect(got.status).toBe(403);
    expect((await at.report(session)).downloads).toMatchObject([{ delivery: 'withheld', result: 'Rejected' }]);
    expect(upstream.connections).toBe(0);
  });

  it('is not given where somebody else rejects the request', async () => {
    const session = at.session('strict', { onRequest: () => ({ ...answered, opinion: 'Rejected' }) });
    const got = await fetchThrough(at, session, `${upstream.url}/audit`, { method: 'POST', body: 'a question' });
    expect(got.status).toBe(403);
    expect(got.text).not.toContain('none');
    expect(upstream.connections).toBe(0);
  });
});
