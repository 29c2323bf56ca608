import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import type {
  ArtifactInspection,
  Catalog,
  CatalogRef,
  InspectionContext,
  RequestInspection,
  Result,
  VouchedDigest,
} from '@waybill/contracts';
import { createDerivedValues } from '../src/derived-values.js';
import type { Inspector } from '../src/inspector.js';
import { bytesOf, chunked, type FakeRequest, type FakeResponse, fakeArtifact, fakeRequest } from './fakes.js';

export interface FakeSessionOptions {
  /** All inspectors that take part (without `default`), in registration order. */
  readonly inspectors: readonly Inspector[];
  readonly now?: Date;
  /** What `context.companion` answers, by URL. */
  readonly companions?: Readonly<Record<string, Uint8Array | string>> | ((url: URL) => Promise<Uint8Array | undefined>);
  /** Permissive runs all inspectors, also those that did not claim the request. Default false. */
  readonly permissive?: boolean;
  readonly signal?: AbortSignal;
}

/** What one download gave; maps are by inspector id. */
export interface FakeDownload {
  readonly request: ReadonlyMap<string, RequestInspection>;
  readonly vouched: readonly VouchedDigest[];
  readonly artifact: ReadonlyMap<string, ArtifactInspection>;
  readonly result: Result;
  readonly sha256: string;
}

/** A strict session in memory: what it approves is trusted for what comes later. */
export interface FakeSession {
  readonly context: InspectionContext;
  readonly companionsAsked: readonly string[];
  request(request: FakeRequest | string): ReadonlyMap<string, RequestInspection>;
  download(request: FakeRequest | string, response: FakeResponse): Promise<FakeDownload>;
  close(): Promise<void>;
}

export function createFakeSession(options: FakeSessionOptions): FakeSession {
  const trusted: CatalogRef[] = [];
  const bodies = new Map<string, { bytes: Uint8Array; open: () => Readable }>();
  const directories: string[] = [];
  const derived = createDerivedValues({ maxBytes: 2 ** 24 });
  const companionsAsked: string[] = [];
  const parsers = new Map(options.inspectors.flatMap((i) => (i.catalogs ?? []).map((p) => [p.kind, p] as const)));
  const context: InspectionContext = {
    sessionId: '0'.repeat(32),
    signal: options.signal ?? new AbortController().signal,
    now: options.now ?? new Date('2026-01-15T12:00:00Z'),
    async catalogs<Value>(scope: string) {
      const found: Catalog<Value>[] = [];
      for (const ref of trusted.filter((candidate) => candidate.scope === scope)) {
        const parser = parsers.get(ref.kind);
        const body = bodies.get(ref.sha256);
        if (!parser || !body) throw new Error(`no parser or body for ${ref.kind}`);
        found.push({ ref, value: (await parser.parse(body.open(), ref, context.signal)) as Value });
      }
      return found;
    },
    async scratch() {
      const directory = await mkdtemp(join(tmpdir(), 'waybill-fake-'));
      directories.push(directory);
      return directory;
    },
    async companion(url) {
      companionsAsked.push(url.href);
      if (typeof options.companions === 'function') return options.companions(url);
      const body = options.companions?.[url.href];
      return body === undefined ? undefined : bytesOf(body);
    },
    derived: derived.get,
    findDerived: derived.find,
    openArtifact(sha256) {
      const body = bodies.get(sha256);
      if (!body) throw new Error(`the session has no artifact ${sha256}`);
      return chunked(body.bytes);
    },
  };
  function inspectRequest(request: FakeRequest | string): Map<string, RequestInspection> {
    const claims = new Map<string, RequestInspection>();
    for (const inspector of options.inspectors) {
      const claim = inspector.inspectRequest(fakeRequest(request));
      if (claim) claims.set(inspector.id, claim);
    }
    return claims;
  }
  return {
    context,
    companionsAsked,
    request: inspectRequest,
    async download(request, response) {
      const claims = inspectRequest(request);
      const artifact = fakeArtifact(request, response);
      const claimed = options.inspectors.filter((i) => claims.get(i.id)?.opinion === 'Pending');
      const vouched: VouchedDigest[] = [];
      for (const inspector of claimed) {
        const expected = claims.get(inspector.id)?.expected;
        vouched.push(...((await inspector.vouchedDigests?.(artifact.request, expected, context)) ?? []));
      }
      const inspections = new Map<string, ArtifactInspection>();
      for (const inspector of options.permissive ? options.inspectors : claimed) {
        const found = await inspector.inspectArtifact(artifact, claims.get(inspector.id)?.expected, context);
        if (found) inspections.set(inspector.id, found);
      }
      const requestOpinions = [...claims.values()].map((claim) => claim.opinion);
      const opinions = [...inspections.values()].map((inspection) => inspection.opinion);
      const fine =
        requestOpinions.includes('Pending') &&
        !requestOpinions.includes('Rejected') &&
        opinions.includes('Approved') &&
        !opinions.includes('Rejected');
      const sha256 = artifact.digests.sha256;
      if (fine) {
        bodies.set(sha256, { bytes: bytesOf(response.body), open: () => artifact.open() });
        for (const [inspector, { provides }] of inspections) {
          for (const offer of provides ?? []) {
            const { contentEncoding } = artifact;
            const encoding = contentEncoding && {
              attributes: { ...offer.attributes, 'content-encoding': contentEncoding },
            };
            const url = artifact.request.normalizedUrl;
            trusted.push({ ...offer, ...encoding, sha256, inspector, url, name: offer.kind });
          }
        }
      }
      return { request: claims, vouched, artifact: inspections, result: fine ? 'Approved' : 'Rejected', sha256 };
    },
    async close() {
      await Promise.all(directories.map((directory) => rm(directory, { recursive: true, force: true })));
    },
  };
}
