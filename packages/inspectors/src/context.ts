import type { CatalogParser, Clock, InspectionContext, InspectionServices, Logger } from '@waybill/contracts';
import type { CatalogCache } from './catalog-cache.js';
import { createDeadline, untilAborted } from './deadline.js';
import { InspectorError } from './errors.js';
import { createScratch, type ScratchDirectory } from './scratch.js';
import type { Slots } from './slots.js';

/** What a context is made of. */
export interface ContextOptions {
  readonly services: InspectionServices;
  readonly cache: CatalogCache;
  readonly parsers: ReadonlyMap<string, CatalogParser>;
  readonly clock: Clock;
  readonly scratchDir: string;
  readonly scratchBytes: number;
  /** How many inspections may use scratch directories, and so programs, at a time. */
  readonly slots: Slots;
  readonly timeoutMs: number;
  readonly logger: Logger;
  /** Fires when the process stops. */
  readonly closing: AbortSignal;
}

/** A context while one exchange's inspections run. */
export interface OpenContext {
  /**
   * Runs an inspector's work with the context. Rejects as soon as time is up or the exchange is broken off.
   * @throws InspectorError INSPECTOR_TIMEOUT, INSPECTOR_ABORTED, INSPECTOR_SCRATCH_FULL, or what the work throws
   */
  run<Value>(work: (context: InspectionContext) => Promise<Value>): Promise<Value>;
  /** Stops what still runs and removes the scratch directories. */
  close(): Promise<void>;
}

export function openContext(options: ContextOptions): OpenContext {
  const { services, cache, parsers } = options;
  const deadline = createDeadline(AbortSignal.any([services.signal, options.closing]), options.timeoutMs);
  const { signal } = deadline;
  const scratches: ScratchDirectory[] = [];
  let slot: Promise<() => void> | undefined;
  const context: InspectionContext = {
    signal,
    now: options.clock.now(),
    async catalogs<Value>(scope: string) {
      const refs = await services.trustedCatalogs(scope);
      return Promise.all(
        refs.map((ref) => {
          const parser = parsers.get(ref.kind) as CatalogParser<Value> | undefined;
          if (!parser) throw new InspectorError('INSPECTOR_CATALOG_UNKNOWN', `no inspector reads ${ref.kind} catalogs`);
          return cache.get(ref, parser, signal);
        }),
      );
    },
    async scratch() {
      slot ??= options.slots.take(signal);
      await slot;
      signal.throwIfAborted();
      const scratch = await createScratch({
        parent: options.scratchDir,
        maxBytes: options.scratchBytes,
        onFull: deadline.abort,
      });
      scratches.push(scratch);
      return scratch.path;
    },
    companion: services.companion,
    openArtifact: services.openArtifact,
  };
  return {
    run: (work) => untilAborted(signal, () => work(context)),
    async close() {
      deadline.dispose();
      deadline.abort(new InspectorError('INSPECTOR_ABORTED', 'the inspection is over'));
      await Promise.allSettled(scratches.map((scratch) => scratch.remove()));
      await slot?.then(
        (give) => give(),
        () => {},
      );
    },
  };
}
