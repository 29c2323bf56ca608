import type { SessionHistory, Span, StorageFault, Violation } from '../history.js';

/** A session's life as a number that only grows. */
const ranks = { open: 0, over: 1, ended: 2, deleted: 3 } as const;

/** What an answer says of the state at some moment between its call and itself. */
interface Sight extends Span {
  readonly least: number;
  readonly most: number;
  readonly what: string;
  readonly isTokenRefused?: boolean;
}

/** A call after which the session is at least so far: certain when it was confirmed, possible from the moment it was made. */
interface Change extends Span {
  readonly to: number;
  readonly isCertain: boolean;
}

/**
 * State moves only forward, and only when somebody asked for it: a token works across restarts until it is revoked, and after
 * the answer to a revocation nothing is served (promise 3).
 */
export function checkStates(session: SessionHistory, faults: readonly StorageFault[]): Violation[] {
  const changes = changesOf(session);
  const sights = sightsOf(session, faults);
  const confirmed = changes.filter(({ isCertain }) => isCertain).map(({ ended, to }) => ({ at: ended, rank: to }));
  const seen = sights.filter(isProof(session, faults)).map(({ ended, least }) => ({ at: ended, rank: least }));
  const leastBefore = highestUntil([...confirmed, ...seen]);
  const mostUntil = highestUntil(changes.map(({ begun, to }) => ({ at: begun, rank: to })));
  const wrong = sights.flatMap((sight) => {
    const least = Math.max(ranks.open, leastBefore(sight.begun - 1));
    const most = Math.max(session.mayExpire ? ranks.over : ranks.open, mostUntil(sight.ended));
    if (sight.most < least) {
      return [{ rule: 'state-backwards', text: `${sight.what}, although the session was ${nameOf(least)} before` }];
    }
    if (sight.least > most) {
      return [{ rule: 'state-unasked', text: `${sight.what}, although nobody asked for more than ${nameOf(most)}` }];
    }
    return [];
  });
  return [...wrong, ...checkCalls(session, faults)];
}

/**
 * A revocation that could not be written down stops the session all the same, as long as the process lives: that it serves
 * nobody proves little then.
 */
function isProof({ calls }: SessionHistory, faults: readonly StorageFault[]): (sight: Sight) => boolean {
  const failed = calls.filter((call) => (call.status ?? 500) >= 500 && overlaps(call, faults));
  const first = Math.min(...failed.map(({ begun }) => begun));
  return (sight) => !sight.isTokenRefused || sight.ended < first;
}

/** Calls that nothing explains: a token that is not known any more, a daemon that fails with its stores in order. */
function checkCalls({ id, calls }: SessionHistory, faults: readonly StorageFault[]): Violation[] {
  return calls.flatMap((call) => {
    const { action, status = 0, note = '', begun, ended } = call;
    const text = `${id.slice(0, 8)}: ${action} answered ${status} (moments ${begun}–${ended}): ${note}`;
    if (action === 'revoke' && status === 400) return [{ rule: 'token-forgotten', text }];
    if (status >= 500 && !overlaps(call, faults)) return [{ rule: 'control-failed', text }];
    return [];
  });
}

/** The highest rank among what happened up to a moment; asked often. */
function highestUntil(happened: readonly { readonly at: number; readonly rank: number }[]): (moment: number) => number {
  const sorted = happened.toSorted((a, b) => a.at - b.at);
  const moments = sorted.map(({ at }) => at);
  let highest = 0;
  const ranksSoFar = sorted.map(({ rank }) => (highest = Math.max(highest, rank)));
  return (moment) => {
    let [low, high] = [0, moments.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((moments[middle] ?? 0) <= moment) low = middle + 1;
      else high = middle;
    }
    return ranksSoFar[low - 1] ?? 0;
  };
}

function nameOf(rank: number): string {
  return Object.entries(ranks).find(([, value]) => value === rank)?.[0] ?? String(rank);
}

function changesOf({ calls, mayExpire }: SessionHistory): Change[] {
  return calls.flatMap(({ action, status, begun, ended }) => {
    if (action === 'report') return [];
    const isRefused = status !== undefined && status >= 400 && status < 500;
    if (isRefused) return [];
    const target = { revoke: ranks.over, end: ranks.ended, delete: ranks.deleted }[action];
    // A session whose time is over stays so when it is ended.
    const isCertain = status === 200 && !(mayExpire && action === 'end');
    return [{ begun, ended, to: target, isCertain }];
  });
}

function sightsOf({ id, attempts, calls }: SessionHistory, faults: readonly StorageFault[]): Sight[] {
  const short = id.slice(0, 8);
  const served = attempts.flatMap(({ id: attempt, outcome, status, begun, ended, url, mayLag }): Sight[] => {
    const what = `${short}: ${attempt} for ${url} got ${outcome === 'unauthorized' ? 407 : status}`;
    if (outcome === 'unauthorized') {
      return [{ begun, ended, least: ranks.over, most: ranks.deleted, what, isTokenRefused: true }];
    }
    if (status === undefined) return [];
    // An exchange that began in time may be answered later; the answer says that it was begun in an open session.
    return [{ begun, ended, least: ranks.open, most: mayLag ? ranks.deleted : ranks.open, what }];
  });
  const answered = calls.flatMap(({ action, status, begun, ended }): Sight[] => {
    const seen = sightOf(action, status);
    if (!seen || (status !== 200 && overlaps({ begun, ended }, faults))) return [];
    return [{ begun, ended, ...seen, what: `${short}: ${action} answered ${status}` }];
  });
  return [...served, ...answered];
}

function sightOf(
  action: string,
  status: number | undefined,
): { readonly least: number; readonly most: number } | undefined {
  switch (`${action} ${status}`) {
    case 'revoke 200':
      return { least: ranks.open, most: ranks.over };
    case 'revoke 404':
      return { least: ranks.over, most: ranks.deleted };
    case 'report 200':
      return { least: ranks.over, most: ranks.over };
    case 'report 400':
      return { least: ranks.open, most: ranks.open };
    case 'report 404':
    case 'end 404':
      return { least: ranks.ended, most: ranks.deleted };
    case 'end 200':
      return { least: ranks.open, most: ranks.over };
    case 'delete 409':
      return { least: ranks.open, most: ranks.over };
    default:
      return undefined;
  }
}

export function overlaps({ begun, ended }: Span, faults: readonly StorageFault[]): boolean {
  return faults.some((fault) => fault.begun <= ended && begun <= fault.ended);
}
