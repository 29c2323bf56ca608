import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Readable } from 'node:stream';
import type {
  ArtifactInspections,
  CatalogRef,
  Claim,
  InspectionServices,
  InspectorsConfig,
  Result,
} from '@waybill/contracts';
import { decideArtifact, decideRequest } from '@waybill/policy';
import { createInspectorRuntime, type InspectorRuntime } from '../src/run.js';
import { chunked, digestsOf, fakeArtifact } from './fakes.js';

/** What became of a request. */
export interface Inspected {
  readonly method: string;
  readonly url: string;
  readonly status: number;
  readonly result: Result;
  readonly reason: string;
  readonly claims: readonly Claim[];
  readonly sha256?: string;
  readonly inspections?: ArtifactInspections;
  /** Whether a digest that was vouched for before the fetch is that of the body. */
  readonly vouched?: boolean;
}

export interface InspectingProxy {
  readonly url: string;
  readonly log: readonly Inspected[];
  readonly runtime: InspectorRuntime;
  close(): Promise<void>;
}

export interface InspectingProxyOptions {
  readonly config: InspectorsConfig;
  readonly scratchDir: string;
  readonly now?: Date;
}

/**
 * The smallest strict session that a real client can talk to: plain http, bodies in memory, the real runtime of the
 * inspectors and the real decisions. No authentication, no records: that is the proxy's business.
 */
export async function startInspectingProxy(options: InspectingProxyOptions): Promise<InspectingProxy> {
  const bodies = new Map<string, Buffer>();
  const trusted: CatalogRef[] = [];
  const log: Inspected[] = [];
  const open = (sha256: string): Readable => chunked(bodies.get(sha256) ?? Buffer.alloc(0), 65_536);
  const runtime = createInspectorRuntime({
    blobs: { open },
    scratchDir: options.scratchDir,
    ...(options.now && { clock: { now: () => options.now as Date } as never }),
  });
  const inspectors = runtime.bind(options.config);
  const abort = new AbortController();
  const services: InspectionServices = {
    signal: abort.signal,
    sessionId: '0'.repeat(32),
    policy: 'strict',
    companion: async (url, maxBytes) => {
      const response = await fetch(url);
      const body = Buffer.from(await response.arrayBuffer());
      return response.status === 200 && body.length <= maxBytes ? body : undefined;
    },
    trustedCatalogs: async (scope) => trusted.filter((ref) => ref.scope === scope),
    openArtifact: open,
  };

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? '');
    const method = request.method ?? 'GET';
    const view = fakeArtifact({ url: url.href, method }, { body: '' }).request;
    const claims = inspectors.inspectRequest(view);
    const requested = decideRequest(claims, view.normalizedUrl);
    const note = (status: number, rest: Partial<Inspected> & Pick<Inspected, 'result' | 'reason'>) => {
      log.push({ method, url: url.href, status, claims, ...rest });
      return status;
    };
    if (requested.result === 'Rejected') {
      response.writeHead(note(403, requested)).end(requested.reason);
      return;
    }
    const digests = await inspectors.vouchedDigests(view, claims, services);
    const upstream = await fetch(url, { method });
    const body = Buffer.from(await upstream.arrayBuffer());
    if (upstream.status !== 200 || method === 'HEAD') {
      response.writeHead(note(upstream.status, { result: 'Approved', reason: 'no artifact' })).end();
      return;
    }
    const artifact = fakeArtifact({ url: url.href, method }, { body });
    const inspections = await inspectors.inspectArtifact(artifact, claims, services);
    const { sha256, sha512 } = digestsOf(body);
    const decision = decideArtifact(requested, inspections);
    const vouched = digests.some((one) => one.digests.some(({ hex }) => hex === sha256 || hex === sha512));
    if (decision.result === 'Approved') {
      bodies.set(sha256, body);
      trusted.push(...inspections.provides);
    }
    note(decision.result === 'Approved' ? 200 : 403, { ...decision, sha256, inspections, vouched });
    const modified = upstream.headers.get('last-modified');
    // As the proxy does it: fetched and inspected whole, then answered by the client's own condition.
    if (decision.result === 'Rejected') response.writeHead(403).end(decision.reason);
    else if (modified !== null && request.headers['if-modified-since'] === modified) response.writeHead(304).end();
    else
      response
        .writeHead(200, { 'content-length': body.length, ...(modified !== null && { 'last-modified': modified }) })
        .end(body);
  }

  const server = createServer((request, response) => {
    answer(request, response).catch((error: unknown) => response.writeHead(500).end(String(error)));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    log,
    runtime,
    async close() {
      abort.abort();
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
      await runtime.close();
    },
  };
}
