import type { ArtifactInspection, ArtifactOpinion, RequestOpinion } from '@waybill/contracts';
import { describe, expect, it } from 'vitest';
import type { Inspector } from '../src/inspector.js';
import { createFakeSession, type FakeSession, type FakeSessionOptions } from './fake-session.js';
import { bytesOf, type FakeRequest, type FakeResponse, fakeArtifact } from './fakes.js';

/** What an inspector must say of one download. */
export interface InspectorCase {
  readonly name: string;
  readonly request: FakeRequest | string;
  /** Absent: only the request phase is looked at. */
  readonly response?: FakeResponse | (() => FakeResponse | Promise<FakeResponse>);
  /** Downloads that come before (indexes). */
  readonly before?: (session: FakeSession) => Promise<unknown>;
  readonly session?: Partial<FakeSessionOptions>;
  /** `unclaimed`: the inspector returns undefined. Default Pending. */
  readonly claim?: RequestOpinion | 'unclaimed';
  readonly claimReason?: RegExp;
  /** Default: not checked when there is no response. */
  readonly opinion?: ArtifactOpinion;
  readonly reason?: RegExp;
  readonly metadata?: ArtifactInspection['metadata'];
  readonly annotations?: ArtifactInspection['annotations'];
}

export interface InspectorSuite {
  /** The inspector under test. */
  readonly id: string;
  /** All inspectors of the session: the one under test and those it works with. */
  readonly inspectors: () => readonly Inspector[] | Promise<readonly Inspector[]>;
  /** A download that is Approved; truncated, emptied and bit-flipped copies of it must not be. */
  readonly good: InspectorCase & { readonly response: FakeResponse | (() => FakeResponse | Promise<FakeResponse>) };
  /** Other cases. */
  readonly cases: readonly InspectorCase[];
  /**
   * How tampered copies of `good` must fare: `digest` (a digest is vouched for: every change is rejected) or `format` (only
   * trust in the origin: nothing may throw or hang, truncation and emptiness are rejected). Default `digest`.
   */
  readonly integrity?: 'digest' | 'format';
}

/** The conformance suite every inspector passes: its table of cases, and what hostile bytes must never do. */
export function describeInspector(suite: InspectorSuite): void {
  describe(suite.id, () => {
    it.each([suite.good, ...suite.cases].map((c) => [c.name, c] as const))('%s', (_name, c) =>
      withSession(suite, c, (session) => checkCase(suite.id, session, c)),
    );

    const hostile: [string, (body: Uint8Array) => Uint8Array, boolean][] = [
      ['empty', () => new Uint8Array(), true],
      ['cut in half', (body) => body.subarray(0, body.length >> 1), true],
      ['without its last byte', (body) => body.subarray(0, -1), suite.integrity !== 'format'],
      ['with a byte added', (body) => Buffer.concat([body, Buffer.from('x')]), suite.integrity !== 'format'],
      ['first byte flipped', (body) => flipped(body, 0), suite.integrity !== 'format'],
      ['a middle byte flipped', (body) => flipped(body, body.length >> 1), suite.integrity !== 'format'],
      ['last byte flipped', (body) => flipped(body, body.length - 1), suite.integrity !== 'format'],
      ['random bytes', (body) => noise(body.length), true],
    ];
    it.each(hostile)('good download, %s: not approved by an exception', (_name, change, mustReject) =>
      withSession(suite, suite.good, async (session) => {
        await suite.good.before?.(session);
        const response = await responseOf(suite.good);
        const { artifact } = await session.download(suite.good.request, {
          ...response,
          body: change(bytesOf(response.body)),
        });
        const found = artifact.get(suite.id);
        expect(found).toBeDefined();
        if (mustReject) expect(found?.opinion).not.toBe('Approved');
        expect(found?.reason).toMatch(/\S/);
      }),
    );

    it('gives the same inspection twice', () =>
      withSession(suite, suite.good, async (session) => {
        await suite.good.before?.(session);
        const first = await session.download(suite.good.request, await responseOf(suite.good));
        const second = await session.download(suite.good.request, await responseOf(suite.good));
        expect(second.artifact.get(suite.id)).toEqual(first.artifact.get(suite.id));
      }));

    it('says of bytes that it did not ask for what it likes, but never throws (permissive)', () =>
      withSession(suite, suite.good, async (session) => {
        const inspector = (await suite.inspectors()).find((candidate) => candidate.id === suite.id);
        for (const body of ['', 'text', '{}', noise(3000)]) {
          const artifact = fakeArtifact('https://elsewhere.example/file', { body });
          const found = await inspector?.inspectArtifact(artifact, undefined, session.context);
          expect(['Rejected', 'Unknown', undefined]).toContain(found?.opinion);
        }
      }));

    it('records nothing that JSON changes', () =>
      withSession(suite, suite.good, async (session) => {
        await suite.good.before?.(session);
        const { request, artifact } = await session.download(suite.good.request, await responseOf(suite.good));
        const notes = [request.get(suite.id)?.annotations ?? {}, artifact.get(suite.id)?.annotations ?? {}];
        expect(JSON.parse(JSON.stringify(notes))).toEqual(notes);
      }));
  });
}

async function checkCase(id: string, session: FakeSession, c: InspectorCase): Promise<void> {
  await c.before?.(session);
  const claim = session.request(c.request).get(id);
  expect(claim?.opinion ?? 'unclaimed', claim?.reason).toBe(c.claim ?? 'Pending');
  if (c.claimReason) expect(claim?.reason).toMatch(c.claimReason);
  if (!c.response) return;
  const { artifact } = await session.download(c.request, await responseOf(c));
  const found = artifact.get(id);
  if (c.opinion) expect(found?.opinion, found?.reason).toBe(c.opinion);
  if (c.reason) expect(found?.reason).toMatch(c.reason);
  if (c.metadata) expect(found?.metadata).toMatchObject(c.metadata);
  if (c.annotations) expect(found?.annotations).toMatchObject(c.annotations);
}

async function withSession(suite: InspectorSuite, c: InspectorCase, use: (s: FakeSession) => Promise<void>) {
  const session = createFakeSession({ inspectors: await suite.inspectors(), ...c.session });
  try {
    await use(session);
  } finally {
    await session.close();
  }
}

async function responseOf({ response }: InspectorCase): Promise<FakeResponse> {
  if (!response) throw new Error('the case has no response');
  return typeof response === 'function' ? response() : response;
}

function flipped(body: Uint8Array, at: number): Uint8Array {
  const copy = Uint8Array.from(body);
  copy[at] = (copy[at] ?? 0) ^ 1;
  return copy;
}

/** The same bytes each time: a xorshift, seeded by the length. */
function noise(length: number): Uint8Array {
  let state = 2463534242 ^ length;
  return Uint8Array.from({ length }, () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return state & 0xff;
  });
}
