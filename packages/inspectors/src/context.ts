import type { Catalog, CatalogParser, Clock, InspectionContext, InspectionServices, Logger } from '@waybill/contracts';
import type { CatalogCache } from './catalog-cache.js';
import { createDeadline, type Deadline } from './deadline.js';
import type { DerivedValues } from './derived-values.js';
import { InspectorError } from './errors.js';
import { nextTurn } from './next-turn.js';
import { createScratch, type ScratchDirectory } from './scratch.js';
import type { Slots } from './slots.js';

/** What a context is made of. */
export interface ContextOptions {
  readonly services: InspectionServices;
  readonly cache: CatalogCache;
  readonly derived: DerivedValues;
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
  close(): void | Promise<void>;
}

export function openContext(options: ContextOptions): OpenContext {
  return new LazyContext(options);
}

/** What work that outlives its inspection is told. One for all: nobody reads where it was made. */
const over = new InspectorError('INSPECTOR_ABORTED', 'the inspection is over');

/**
 * Most inspections of small bodies end in the turn of the event loop in which they began. Signals and timers, which cost more
 * than such an inspection, are made when somebody asks for the signal, or for what is still running a turn later.
 */
class LazyContext implements OpenContext, InspectionContext {
  readonly #options: ContextOptions;
  readonly #openedMs = performance.now();
  readonly #waiting = new Set<(reason: unknown) => void>();
  #now: Date | undefined;
  #deadline: Deadline | undefined;
  #isWatched = false;
  #isClosed = false;
  #scratches: ScratchDirectory[] | undefined;
  #slot: Promise<() => void> | undefined;

  constructor(options: ContextOptions) {
    this.#options = options;
  }

  get sessionId(): string {
    return this.#options.services.sessionId;
  }

  get now(): Date {
    this.#now ??= this.#options.clock.now();
    return this.#now;
  }

  get signal(): AbortSignal {
    return this.#armed().signal;
  }

  readonly catalogs = async <Value>(scope: string): Promise<readonly Catalog<Value>[]> => {
    const { services, cache, parsers } = this.#options;
    const refs = await services.trustedCatalogs(scope);
    return Promise.all(
      refs.map((ref) => {
        const parser = parsers.get(ref.kind) as CatalogParser<Value> | undefined;
        if (!parser) throw new InspectorError('INSPECTOR_CATALOG_UNKNOWN', `no inspector reads ${ref.kind} catalogs`);
        return cache.get(ref, parser, this.signal);
      }),
    );
  };

  readonly scratch = async (): Promise<string> => {
    const { slots, scratchDir: parent, scratchBytes: maxBytes } = this.#options;
    const { signal, abort } = this.#armed();
    this.#slot ??= slots.take(signal);
    await this.#slot;
    signal.throwIfAborted();
    const scratch = await createScratch({ parent, maxBytes, onFull: abort });
    this.#scratches ??= [];
    this.#scratches.push(scratch);
    return scratch.path;
  };

  get companion(): InspectionContext['companion'] {
    return this.#options.services.companion;
  }

  get openArtifact(): InspectionContext['openArtifact'] {
    return this.#options.services.openArtifact;
  }

  get derived(): InspectionContext['derived'] {
    return this.#options.derived.get;
  }

  get findDerived(): InspectionContext['findDerived'] {
    return this.#options.derived.find;
  }

  get mayFetch(): boolean {
    return this.#options.services.mayFetch === true;
  }

  async run<Value>(work: (context: InspectionContext) => Promise<Value>): Promise<Value> {
    this.#deadline?.signal.throwIfAborted();
    const result = work(this);
    this.#watch();
    return new Promise((resolve, reject) => {
      this.#waiting.add(reject);
      const forget = () => this.#waiting.delete(reject);
      result.then(
        (value) => {
          forget();
          resolve(value);
        },
        (error: unknown) => {
          forget();
          reject(error);
        },
      );
    });
  }

  close(): void | Promise<void> {
    this.#isClosed = true;
    this.#deadline?.dispose();
    this.#deadline?.abort(over);
    if (this.#scratches || this.#slot) return this.#cleanUp();
  }

  async #cleanUp(): Promise<void> {
    await Promise.allSettled((this.#scratches ?? []).map((scratch) => scratch.remove()));
    await this.#slot?.then(
      (give) => give(),
      () => {},
    );
  }

  #watch(): void {
    if (this.#isWatched) return;
    this.#isWatched = true;
    nextTurn(() => {
      if (!this.#isClosed) this.#armed();
    });
  }

  #armed(): Deadline {
    if (this.#deadline) return this.#deadline;
    const { services, closing, timeoutMs } = this.#options;
    const deadline = createDeadline([services.signal, closing], timeoutMs, this.#openedMs);
    this.#deadline = deadline;
    const end = () => {
      for (const reject of [...this.#waiting]) reject(deadline.signal.reason);
      this.#waiting.clear();
    };
    if (deadline.signal.aborted) end();
    else deadline.signal.addEventListener('abort', end, { once: true });
    return deadline;
  }
}
