import type { Logger } from '@waybill/contracts';
import { messageOf } from '../errors.js';
import { collect, type GcEvent, type GcSources } from './collect.js';
import type { GcMetrics } from './gc-metrics.js';
import type { GcSettings } from './gc-settings.js';

/** What one run did, or would do. */
export interface GcSummary {
  readonly sessions: number;
  readonly failed: number;
  readonly bodies: number;
  /** Of these bodies. */
  readonly bytes: number;
  /** What is left; undefined when the run was broken off. */
  readonly left: { readonly bytes: number; readonly isFull: boolean } | undefined;
}

/** How to run. */
export interface GcRun {
  readonly isDryRun: boolean;
  /** Ends the run between two steps. */
  readonly withinMs?: number;
  /** Of the quota, for what is about to come. */
  readonly reserveBytes?: number;
}

/** Garbage collection of one process. */
export interface Gc {
  /** Runs once; runs do not overlap. */
  run(how: GcRun): Promise<GcSummary>;
  /** Runs now and then from now on. */
  schedule(): void;
  /** Somebody waits for room: runs now, unless it was just found that nothing more can go. Never rejects. */
  makeRoom(bytes: number): Promise<void>;
  /** Breaks off what runs. */
  stop(): Promise<void>;
}

/** Between two runs, more or less: replicas of a service must not all run at once. */
const intervalMs = 10 * 60_000;
const firstMs = 60_000;
/** How long it is not tried again to make room where there was none. */
const fullMs = 5_000;
/** Background runs are cut to this, so that who asks for one by hand does not wait long. */
const sliceMs = 20_000;
const betweenSlicesMs = 1_000;

export function createGc(
  sources: GcSources,
  {
    settings,
    metrics,
    logger,
  }: { readonly settings: GcSettings; readonly metrics: GcMetrics; readonly logger: Logger },
): Gc {
  const stopping = new AbortController();
  let last: Promise<unknown> = Promise.resolve();
  let fullAt = Number.NEGATIVE_INFINITY;
  let making: Promise<void> | undefined;
  let timer: NodeJS.Timeout | undefined;
  let isScheduled = false;

  async function runOnce({ isDryRun, withinMs, reserveBytes = 0 }: GcRun): Promise<GcSummary> {
    const signals = [stopping.signal, ...(withinMs === undefined ? [] : [AbortSignal.timeout(withinMs)])];
    const signal = AbortSignal.any(signals);
    const counted = { sessions: 0, failed: 0, bodies: 0, bytes: 0 };
    let left: GcSummary['left'];
    for await (const event of collect(sources, settings, { isDryRun, reserveBytes, signal })) {
      if (event.kind === 'done') left = { bytes: event.bytes, isFull: event.isFull };
      else count(counted, event);
      if (event.kind === 'session-failed') {
        const fields = { session: event.session.id, error: messageOf(event.cause) };
        logger.warn(fields, 'garbage collection: a session could not be removed');
      }
    }
    if (!isDryRun) metrics.ran(counted, left?.isFull === true);
    return { ...counted, left };
  }

  function run(how: GcRun): Promise<GcSummary> {
    const next = last.then(() => runOnce(how));
    last = next.catch(() => {});
    return next;
  }

  async function tryToMakeRoom(reserveBytes: number): Promise<void> {
    const { bodies } = await run({ isDryRun: false, withinMs: sliceMs, reserveBytes });
    if (bodies === 0) fullAt = performance.now();
  }

  async function runInBackground(): Promise<void> {
    let isCutOff = false;
    try {
      const summary = await run({ isDryRun: false, withinMs: sliceMs });
      tell(summary, logger);
      isCutOff = !summary.left && summary.sessions + summary.bodies > 0;
    } catch (cause) {
      metrics.failed();
      logger.warn({ error: messageOf(cause) }, 'garbage collection failed; it is tried again later');
    }
    if (isScheduled) arm(isCutOff ? betweenSlicesMs : intervalMs * (0.8 + 0.4 * Math.random()));
  }

  function arm(ms: number): void {
    clearTimeout(timer);
    timer = setTimeout(() => void runInBackground(), ms);
    timer.unref();
  }

  return {
    run,
    schedule() {
      isScheduled = true;
      arm(firstMs * (0.5 + Math.random()));
    },
    async makeRoom(bytes) {
      if (performance.now() - fullAt < fullMs) return;
      // Who comes while a run is on its way waits for it: most of them want the same.
      making ??= tryToMakeRoom(bytes)
        .catch((cause: unknown) => {
          metrics.failed();
          logger.warn({ error: messageOf(cause) }, 'no room could be made in the spool');
        })
        .finally(() => {
          making = undefined;
        });
      await making;
    },
    async stop() {
      isScheduled = false;
      clearTimeout(timer);
      stopping.abort();
      await last;
    },
  };
}

function count(into: { sessions: number; failed: number; bodies: number; bytes: number }, event: GcEvent): void {
  if (event.kind === 'session') into.sessions += 1;
  if (event.kind === 'session-failed') into.failed += 1;
  if (event.kind !== 'bodies') return;
  into.bodies += event.bodies;
  into.bytes += event.bytes;
}

function tell({ sessions, bodies, bytes, left }: GcSummary, logger: Logger): void {
  if (sessions + bodies > 0) logger.info({ sessions, bodies, bytes }, 'garbage collected');
  if (left?.isFull)
    logger.warn({ bytes: left.bytes }, 'the quota is full with bodies that are needed: new ones are refused');
}
