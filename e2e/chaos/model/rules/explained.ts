import { type Entry, entriesOf, identityOf } from '../entries.js';
import type { FetchAttempt, SessionHistory, StorageFault, Violation } from '../history.js';
import { overlaps } from './states.js';

/** User agents of requests that are not part of the history: tunnels, real clients of other tests. */
export type IsForeign = (userAgent: string) => boolean;

/**
 * Nothing is made up and nothing told twice: each record belongs to one exchange of this session, and where the client had
 * another answer only the order "recorded, then released" may explain it.
 */
export function checkExplained(
  session: SessionHistory,
  faults: readonly StorageFault[],
  isForeign: IsForeign,
): Violation[] {
  const byId = new Map(session.attempts.map((attempt) => [attempt.id, attempt]));
  return session.readings.flatMap((reading) => {
    const entries = entriesOf(reading).filter(({ attempt }) => !isForeign(attempt));
    const groups = Map.groupBy(entries, ({ attempt }) => attempt);
    return [...groups].flatMap(([id, group]) => {
      const attempt = byId.get(id);
      const what = `${session.policy} ${session.id.slice(0, 8)}: ${id || 'a record without attempt'}`;
      if (!attempt) return [{ rule: 'unknown-record', text: `${what} was never sent in this session: ${told(group)}` }];
      return explain(attempt, group, faults).map((text) => ({
        rule: 'unexplained-record',
        text: `${what} ${attempt.url} (${attempt.outcome} ${attempt.status ?? ''}) ${text}: ${told(group)}`,
      }));
    });
  });
}

function explain(attempt: FetchAttempt, group: readonly Entry[], faults: readonly StorageFault[]): string[] {
  const own = group.filter(({ isCompanion }) => !isCompanion);
  const carried = own.filter(({ list }) => list === 'download' || list === 'response');
  // Refused, and then cut off before the client was told: one of each.
  const most = Math.max(...['refusal', 'failure'].map((kind) => own.filter(({ list }) => list === kind).length));
  const texts: string[] = [];
  if (carried.length > 1 || most > 1) texts.push('is recorded more than once');
  if (own.some(({ url, method }) => url !== attempt.url || method !== attempt.method))
    texts.push('is recorded as another request');
  if (attempt.outcome === 'unsent' || attempt.outcome === 'unauthorized') texts.push('was never let in');
  // A range that the body does not have is answered out of the whole.
  const isUnsatisfiable = attempt.range !== undefined && attempt.status === 416;
  const isRefused = attempt.outcome === 'answered' && (attempt.status ?? 0) >= 400 && !isUnsatisfiable;
  const released = carried.find(({ list, isDelivered, result }) => list === 'download' && isDelivered && result);
  // A commit that was not confirmed may have happened: the client was refused, and the record is there.
  if (isRefused && released && !overlaps(attempt, faults)) texts.push('is recorded as delivered');
  return texts;
}

/** A record that was there once is there for ever: in each later reading of the same kind. */
export function checkKept({ id, readings }: SessionHistory): Violation[] {
  return readings.flatMap((earlier, at) => {
    const later = readings
      .slice(at + 1)
      .find(({ kind, begun }) => begun > earlier.ended && (kind === earlier.kind || earlier.kind === 'artifacts'));
    if (!later) return [];
    const known = new Set(entriesOf(later).map(identityOf));
    const lost = entriesOf(earlier).filter((entry) => !known.has(identityOf(entry)));
    return lost.map((entry) => ({ rule: 'record-lost', text: `${id.slice(0, 8)}: ${told([entry])} is gone again` }));
  });
}

/** Asked twice, a report of a session that takes no more downloads is the same, byte for byte (promise 8). */
export function checkStable({ id, readings, calls }: SessionHistory): Violation[] {
  const reports = readings.filter(({ kind }) => kind === 'report');
  return reports.slice(1).flatMap((reading, at) => {
    const before = reports[at];
    if (!before || before.digest === reading.digest) return [];
    // Revoking again moves the end; so may a call whose answer was lost.
    const isMoved = calls.some(
      ({ action, begun, ended }) => action !== 'report' && ended > before.begun && begun < reading.ended,
    );
    if (isMoved) return [];
    const what = changes(before.report, reading.report).slice(0, shownChanges).join('; ');
    const text = `${id.slice(0, 8)}: the report changed between moments ${before.begun} and ${reading.ended}: ${what}`;
    return [{ rule: 'report-unstable', text }];
  });
}

const shownChanges = 5;

/** Where two answers differ: each place with what stood there and what stands there now. */
function changes(before: unknown, after: unknown, place = ''): string[] {
  if (!isTree(before) || !isTree(after)) {
    const [was, is] = [JSON.stringify(before), JSON.stringify(after)];
    return was === is ? [] : [`${place} ${was?.slice(0, 200)} → ${is?.slice(0, 200)}`];
  }
  const names = new Set([...Object.keys(before), ...Object.keys(after)]);
  return [...names].flatMap((name) => changes(before[name], after[name], `${place}/${name}`));
}

function isTree(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}

function told(entries: readonly Entry[]): string {
  return entries
    .map(({ list, attempt, url, status, delivery, phase, result, time }) =>
      [list, attempt, url, status, delivery, phase, result, time].filter((part) => part !== undefined).join(' '),
    )
    .join('; ');
}
