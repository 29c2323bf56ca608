import type { BlobStore, Clock, SessionStore, SessionSummary } from '@waybill/contracts';
import type { BodyReaper } from '../sessions/body-reaper.js';
import type { GcSettings } from './gc-settings.js';
import { compactAll, removeSurplus } from './surplus-bodies.js';

/** What a pass works on. */
export interface GcSources {
  readonly blobs: Pick<BlobStore, 'entries' | 'usage' | 'compact'>;
  readonly store: Pick<SessionStore, 'listSessions' | 'referenced'>;
  /** Removes records and files of a session that is over; absent is fine. */
  readonly deleteResources: (sessionId: string, options: { readonly keepsReports: boolean }) => Promise<void>;
  /** Removes bodies without getting in the way of downloads. */
  readonly reaper: Pick<BodyReaper, 'remove' | 'settledBefore'>;
  readonly clock: Clock;
}

/** What a pass does, or would do. */
export type GcEvent =
  | { readonly kind: 'session'; readonly session: SessionSummary }
  | { readonly kind: 'session-failed'; readonly session: SessionSummary; readonly cause: unknown }
  | { readonly kind: 'bodies'; readonly bodies: number; readonly bytes: number }
  | { readonly kind: 'compacted'; readonly bytes: number }
  | {
      readonly kind: 'done';
      /** Bodies, after the pass; in a dry run as they would be. */
      readonly bytes: number;
      readonly quotaBytes: number | undefined;
      /** All that may go is gone, and still the quota is passed. */
      readonly isFull: boolean;
    };

/** How a pass goes about it. */
export interface GcPass {
  readonly isDryRun: boolean;
  /** Bytes to leave free beside what is always left free. */
  readonly reserveBytes?: number;
  readonly signal: AbortSignal;
}

/** How much of the quota a pass leaves: room for what comes until the next one. */
export const fillTarget = 0.9;

/**
 * One pass: sessions that ended too long ago, then bodies that nobody needs. Ends early, between two steps, when the signal says so.
 * In a dry run bodies of sessions that would go still count as needed.
 */
export async function* collect(
  sources: GcSources,
  settings: GcSettings,
  { isDryRun, reserveBytes = 0, signal }: GcPass,
): AsyncGenerator<GcEvent> {
  const { blobs } = sources;
  yield* removeOldSessions(sources, settings, { isDryRun, signal });
  const { quotaBytes } = settings;
  const targetBytes = Math.max(0, Math.floor((quotaBytes ?? 0) * fillTarget) - reserveBytes);
  const before = await blobs.usage();
  let removed = 0;
  // Up to the quota there is no reason to give up what may be used again.
  if (quotaBytes === undefined || before.bytes > targetBytes) {
    for await (const some of removeSurplus(sources, { isDryRun, targetBytes, signal })) {
      removed += some.bytes;
      yield { kind: 'bodies', ...some };
    }
    const compacted = isDryRun ? 0 : await compactAll(blobs, signal);
    if (compacted > 0) yield { kind: 'compacted', bytes: compacted };
  }
  if (signal.aborted) return;
  const bytes = isDryRun ? before.bytes - removed : (await blobs.usage()).bytes;
  yield { kind: 'done', bytes, quotaBytes, isFull: quotaBytes !== undefined && bytes > quotaBytes };
}

async function* removeOldSessions(
  { store, deleteResources, clock }: GcSources,
  { keepSessionsMs, keepsReports }: GcSettings,
  { isDryRun, signal }: { readonly isDryRun: boolean; readonly signal: AbortSignal },
): AsyncGenerator<GcEvent> {
  if (keepSessionsMs === undefined) return;
  const endedBefore = new Date(clock.now().getTime() - keepSessionsMs);
  for (const session of await store.listSessions(['ended', 'expired'], { endedBefore })) {
    if (signal.aborted) return;
    try {
      if (!isDryRun) await deleteResources(session.id, { keepsReports });
      yield { kind: 'session', session };
    } catch (cause) {
      // One that cannot be removed must not keep the others.
      yield { kind: 'session-failed', session, cause };
    }
  }
}
