import type { Gc, GcSummary } from './gc.js';
import { formatBytes } from './gc-settings.js';

/** One question of `fetchctl gc` takes at most so long; it asks again until all is done. */
const withinMs = 20_000;

/** Carries the operation `gc` of the control socket out. @returns JSON of {@link GcSummary} */
export async function gcOperation(gc: Pick<Gc, 'run'>, isDryRun: boolean): Promise<string> {
  return JSON.stringify(await gc.run({ isDryRun, withinMs }));
}

/** Asks until a run comes to its end, and adds up. A dry run that takes too long cannot be continued: it says so far. */
export async function collectRemotely(ask: () => Promise<string>, isDryRun: boolean): Promise<GcSummary> {
  let all: GcSummary = { sessions: 0, failed: 0, bodies: 0, bytes: 0, left: undefined };
  for (;;) {
    const some = JSON.parse(await ask()) as GcSummary;
    const { left } = some;
    all = {
      sessions: all.sessions + some.sessions,
      failed: some.failed,
      bodies: all.bodies + some.bodies,
      bytes: all.bytes + some.bytes,
      left,
    };
    // A run that was broken off and did nothing will do no better the next time.
    if (left || isDryRun || some.sessions + some.bodies === 0) return all;
  }
}

/** What happened, for people. */
export function describeGc({ sessions, failed, bodies, bytes, left }: GcSummary, isDryRun: boolean): string {
  const verb = isDryRun ? 'would be removed' : 'removed';
  const lines = [
    `sessions: ${sessions} ${verb}${failed > 0 ? `, ${failed} could not be (the log says why)` : ''}`,
    `bodies: ${bodies} ${verb}, ${formatBytes(bytes)}`,
    left
      ? `left: ${formatBytes(left.bytes)} of bodies`
      : `broken off before the end: ${isDryRun ? 'at least this' : 'run it again'}`,
  ];
  if (left?.isFull) {
    lines.push('the quota is full with bodies that are needed: delete sessions, keep them shorter, or raise it');
  }
  return lines.join('\n');
}
