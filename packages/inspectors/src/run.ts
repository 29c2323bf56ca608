import {
  type BlobStore,
  type Claim,
  type Clock,
  type InspectionServices,
  type InspectorsConfig,
  type Logger,
  type RequestView,
  type SessionInspectors,
  silentLogger,
  systemClock,
  type VouchedDigest,
} from '@waybill/contracts';
import { inspectArtifact } from './artifact-phase.js';
import { type CatalogCache, createCatalogCache } from './catalog-cache.js';
import { type ContextOptions, openContext } from './context.js';
import { createDerivedFiles } from './derived-files.js';
import { createDerivedValues } from './derived-values.js';
import type { Inspector } from './inspector.js';
import { assertUniqueIds, createInspectorRegistry } from './registry.js';
import { claimantsOf, failure, inspectRequest } from './request-phase.js';
import { removeStaleScratch } from './scratch.js';
import { createSlots } from './slots.js';

/** What all inspectors of a process share. */
export interface InspectorRuntimeOptions {
  /** Where index bytes lie: catalogs are rebuilt from here. */
  readonly blobs: Pick<BlobStore, 'open'>;
  readonly clock?: Clock | undefined;
  /** Parent of private directories for programs; created when absent. */
  readonly scratchDir: string;
  /** Bytes one inspection may write there. Default 8 GiB. */
  readonly scratchBytes?: number | undefined;
  /** How many inspections may run programs at a time; others wait. Default 4. */
  readonly scratchInspections?: number | undefined;
  /** Memory for parsed indexes, as their parsers weigh them. Default 48 MiB. */
  readonly catalogCacheBytes?: number | undefined;
  /** Memory for what follows from bytes alone: large indexes, manifests of archives. Default 64 MiB. */
  readonly derivedBytes?: number | undefined;
  /** Directory where the costly part of it outlives the process; default: nowhere. */
  readonly derivedDir?: string | undefined;
  /** Bytes of its files. Default 512 MiB. */
  readonly derivedFileBytes?: number | undefined;
  /** Time limit of one artifact's inspections, unless the configuration sets one; 0 = none. Default 300 000. */
  readonly timeoutMs?: number | undefined;
  readonly logger?: Logger | undefined;
  /** Which inspectors a configuration means. Default {@link createInspectorRegistry}. */
  readonly registry?: ((config: InspectorsConfig) => readonly Inspector[]) | undefined;
}

/** Runs inspectors; one per process. */
export interface InspectorRuntime {
  /**
   * All inspectors of one session with its configuration.
   * @throws InspectorError INSPECTOR_DUPLICATE_ID, PolicyError POLICY_GLOB_INVALID
   */
  bind(config: InspectorsConfig): SessionInspectors;
  /** Of the catalog cache. */
  stats(): ReturnType<CatalogCache['stats']>;
  /** Breaks off what runs and resolves when its scratch directories are gone. */
  close(): Promise<void>;
}

export function createInspectorRuntime(options: InspectorRuntimeOptions): InspectorRuntime {
  const derived = createDerivedValues({ maxBytes: options.derivedBytes ?? 64 * 2 ** 20, files: derivedFiles(options) });
  const maxBytes = options.catalogCacheBytes ?? 48 * 2 ** 20;
  const cache = createCatalogCache({ blobs: options.blobs, maxBytes, derived });
  const slots = createSlots(options.scratchInspections ?? 4);
  const closing = new AbortController();
  const running = new Set<Promise<unknown>>();

  function track<Value>(work: Promise<Value>): Promise<Value> {
    const forget = () => void running.delete(work);
    running.add(work);
    work.then(forget, forget);
    return work;
  }

  void track(removeStaleScratch(options.scratchDir));

  return {
    bind(config) {
      const inspectors = assertUniqueIds((options.registry ?? createInspectorRegistry)(config));
      const shared: Omit<ContextOptions, 'services'> = {
        cache,
        derived,
        parsers: new Map(inspectors.flatMap((i) => (i.catalogs ?? []).map((parser) => [parser.kind, parser] as const))),
        clock: options.clock ?? systemClock,
        scratchDir: options.scratchDir,
        scratchBytes: options.scratchBytes ?? 8 * 2 ** 30,
        slots,
        timeoutMs: config.limits?.['inspection-timeout-ms'] ?? options.timeoutMs ?? 300_000,
        logger: options.logger ?? silentLogger,
        closing: closing.signal,
      };
      return bindInspectors(inspectors, shared, track);
    },
    stats: () => cache.stats(),
    async close() {
      closing.abort(new Error('the inspectors are shutting down'));
      await Promise.allSettled(running);
      await derived.close();
    },
  };
}

function derivedFiles({ derivedDir: dir, derivedFileBytes = 512 * 2 ** 20, logger }: InspectorRuntimeOptions) {
  return dir === undefined ? undefined : createDerivedFiles({ dir, maxBytes: derivedFileBytes, logger });
}

function bindInspectors(
  inspectors: readonly Inspector[],
  shared: Omit<ContextOptions, 'services'>,
  track: <Value>(work: Promise<Value>) => Promise<Value>,
): SessionInspectors {
  return {
    ids: inspectors.map(({ id }) => id),
    inspectRequest: (request) => inspectRequest(inspectors, request),
    vouchedDigests: (request, claims, services) =>
      claims.some(({ inspection }) => inspection.opinion === 'Rejected')
        ? Promise.resolve([])
        : track(vouchedDigests(claimants(claims), request, claims, { ...shared, services })),
    inspectArtifact: (artifact, claims, services) =>
      track(inspectArtifact({ inspectors, artifact, claims }, { ...shared, services })),
  };

  function claimants(claims: readonly Claim[]): readonly Inspector[] {
    const ids = claimantsOf(claims);
    return inspectors.filter(({ id }) => ids.has(id));
  }

  async function vouchedDigests(
    claimants: readonly Inspector[],
    request: RequestView,
    claims: Parameters<SessionInspectors['vouchedDigests']>[1],
    options: ContextOptions & { services: InspectionServices },
  ): Promise<VouchedDigest[]> {
    const found: VouchedDigest[] = [];
    for (const inspector of claimants) {
      if (!inspector.vouchedDigests) continue;
      const expected = claims.find((claim) => claim.inspector === inspector.id)?.inspection.expected;
      const opened = openContext(options);
      try {
        found.push(...(await opened.run((context) => inspector.vouchedDigests?.(request, expected, context) ?? none)));
      } catch (error) {
        // Nobody vouches then: the body is held whole, and the artifact phase meets the same fault and rejects.
        shared.logger.warn({ inspector: inspector.id, error: failure(error).reason }, 'cannot look up vouched digests');
      } finally {
        await opened.close();
      }
    }
    return found;
  }
}

const none: Promise<readonly VouchedDigest[]> = Promise.resolve([]);
