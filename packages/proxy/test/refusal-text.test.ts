import { startHttpUpstream } from '@waybill/testkit';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { fetchThrough } from './client.js';
import type { FakeSession } from './fake-session.js';
import { startTestProxy, type TestProxy } from './harness.js';

/** What a refusal says that has nothing of its own to do. */
const rules =
  ' (the rules are in docs/inspectors/test.file.md; when the source is right, correct its entry in inspectors.yaml)';

describe('what a refused client is told', () => {
  let at: TestProxy;
  let upstream: Awaited<ReturnType<typeof startHttpUpstream>>;
  let session: FakeSession;

  beforeEach(async () => {
    upstream = await startHttpUpstream((_request, response) => void response.end('body'));
    at = await startTestProxy();
    session = at.session();
  });
  afterEach(async () => {
    await at.close();
    await upstream.close();
  });

  const refuseWith = (reason: string, hint?: string) => {
    session.inspector.onArtifact = () => ({
      opinion: 'Rejected',
      reason,
      ...(hint !== undefined && { annotations: { hint } }),
    });
  };

  it('stands in the reason phrase, for the many clients that drop the body', async () => {
    refuseWith('expected 1, found 2');
    const { status, statusText, text } = await fetchThrough(at, session, `${upstream.url}/x`);
    expect([status, statusText]).toEqual([403, `Forbidden: test.file: expected 1, found 2${rules}`]);
    expect(text).toMatch(/^Download not authorized: test.file: expected 1, found 2.*\n$/);
  });

  it('has what to do in the reason phrase, with short digests where there is no room for long ones', async () => {
    const digest = 'ab'.repeat(64);
    const hint = 'do not use it, and tell whoever runs the registry or mirror';
    const phraseFor = async (reason: string, advice: string) => {
      refuseWith(reason, advice);
      const { statusText, text } = await fetchThrough(at, session, `${upstream.url}/x`);
      expect(text).toContain(reason);
      return statusText;
    };
    expect(await phraseFor('expected 1, found 2', hint)).toBe(`Forbidden: test.file: expected 1, found 2 (${hint})`);
    expect(await phraseFor(`expected sha512:${digest}, found sha512:${digest}`, hint)).toBe(
      `Forbidden: test.file: expected sha512:abababababab~, found sha512:abababababab~ (${hint})`,
    );
    expect(await phraseFor(`expected sha512:${digest}`, 'x'.repeat(300))).toBe(
      `Forbidden: test.file: expected sha512:${digest}`,
    );
  });

  it('stands in the body alone where the client asks for JSON: npm would show it twice', async () => {
    refuseWith('expected 1, found 2');
    const answer = await fetchThrough(at, session, `${upstream.url}/x`, { headers: { accept: 'application/json' } });
    expect(answer.statusText).toBe('Forbidden');
    expect(JSON.parse(answer.text).error).toContain('expected 1, found 2');
  });

  it.each([
    ['line breaks', 'one\r\nX-Evil: yes\r\n\r\nbody', `Forbidden: test.file: one? X-Evil: yes? ? body${rules}`],
    [
      'other characters than printable ASCII',
      'café \u0000\u2028 \u{1f600}',
      /^Forbidden: test\.file: caf\? [ ?]*\(the rules [!-~ ]*$/,
    ],
    ['too much', 'a'.repeat(5_000), `Forbidden: test.file: ${'a'.repeat(288)}~`],
  ])('has no %s', async (_name, reason, expected) => {
    refuseWith(reason);
    const { statusText, headers } = await fetchThrough(at, session, `${upstream.url}/x`);
    if (typeof expected === 'string') expect(statusText).toBe(expected);
    else expect(statusText).toMatch(expected);
    expect(headers).not.toHaveProperty('x-evil');
  });
});

describe('an upstream that answers 206 unasked', () => {
  it('is refused, and a permissive session records the same (promise 4)', async () => {
    const upstream = await startHttpUpstream((_request, response) => {
      response.writeHead(206, { 'content-range': 'bytes 0-3/9' }).end('part');
    });
    const at = await startTestProxy();
    try {
      const strict = at.session();
      const permissive = at.session('permissive');
      expect((await fetchThrough(at, strict, `${upstream.url}/x`)).status).toBe(403);
      expect(await fetchThrough(at, permissive, `${upstream.url}/x`)).toMatchObject({ status: 206, text: 'part' });
      const verdicts = await Promise.all(
        [strict, permissive].map(async (session) => {
          const { refusals, failures } = await at.report(session);
          expect(failures).toEqual([]);
          return refusals.map(({ phase, reason, hint, url }) => ({ phase, reason, hint, url }));
        }),
      );
      expect(verdicts[0]).toHaveLength(1);
      expect(verdicts[0]).toEqual(verdicts[1]);
    } finally {
      await at.close();
      await upstream.close();
    }
  });
});
