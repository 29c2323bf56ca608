import { type Entry, entriesOf } from '../entries.js';
import type { FetchAttempt, Reading, SessionHistory, StorageFault, Violation } from '../history.js';
import { isUndisputed, type Listing, rightVerdict, type Truth } from '../truth.js';
import { overlaps } from './states.js';

/** Promises 1 and 4: the verdict is the right one under both policies, and a strict session lets through nothing else. */
export function checkVerdicts(session: SessionHistory, truth: Truth, faults: readonly StorageFault[]): Violation[] {
  const byId = new Map(session.attempts.map((attempt) => [attempt.id, attempt]));
  // What cannot be looked up is rejected (promise 5), and rightly so.
  return session.readings.flatMap((reading) => {
    const entries = entriesOf(reading);
    const downloads = entries.filter(({ list }) => list === 'download');
    const isExcused = ({ attempt: id, result }: Entry) => {
      const attempt = byId.get(id);
      return result === 'Rejected' && attempt !== undefined && overlaps(attempt, faults);
    };
    const listings = approvedListings(downloads, truth);
    return downloads.flatMap((entry) => [
      ...(isExcused(entry) ? [] : checkVerdict({ session, truth, reading }, entry, listings)),
      ...(isExcused(entry) ? [] : checkListedBefore({ session, truth, reading }, { entry, downloads, byId })),
      ...checkStrict(session, entry, byId.get(entry.attempt)),
    ]);
  });
}

interface Place {
  readonly session: SessionHistory;
  readonly truth: Truth;
  readonly reading: Reading;
}

function approvedListings(downloads: readonly Entry[], truth: Truth): Listing[] {
  return downloads.flatMap(({ result, sha256 = '' }) => (result === 'Approved' && truth.indexes.get(sha256)) || []);
}

function checkVerdict({ session, truth }: Place, entry: Entry, listings: readonly Listing[]): Violation[] {
  const { url, sha256 = '', result, artifact } = entry;
  if (entry.status !== 200) return [];
  const right = rightVerdict(truth, { url, sha256, listings });
  const texts: string[] = [];
  if (right && result !== right) texts.push(`is recorded as ${result}, right is ${right}`);
  // One rejected body of an artifact that was delivered makes the artifact rejected; an approved one needs a reason to be.
  if (artifact?.result === 'Approved' && right === 'Rejected' && (entry.isDelivered || entry.isCompanion))
    texts.push('is part of an approved artifact, and nothing vouches for it');
  return texts.map((text) => violation('wrong-verdict', session, entry, `${text}${circumstances(session, entry)}`));
}

/** What whoever looks into it wants to know first. */
function circumstances({ attempts }: SessionHistory, { attempt: id, delivery, artifact }: Entry): string {
  const attempt = attempts.find((one) => one.id === id);
  const reasons = Object.entries(artifact?.['response-inspection'] ?? {}).map(([by, { reason }]) => `${by}: ${reason}`);
  return `; delivery ${delivery}, the client's attempt: ${attempt?.outcome} ${attempt?.status ?? ''}; ${reasons.join('; ')}`;
}

/** What an index listed that the client had before it asked is approved: a session must not forget what it trusts. */
function checkListedBefore(
  { session, truth }: Place,
  {
    entry,
    downloads,
    byId,
  }: {
    readonly entry: Entry;
    readonly downloads: readonly Entry[];
    readonly byId: ReadonlyMap<string, FetchAttempt>;
  },
): Violation[] {
  const attempt = byId.get(entry.attempt);
  const facts = truth.bodies.get(entry.sha256 ?? '');
  if (entry.result !== 'Rejected' || entry.status !== 200 || !attempt || !facts?.isSound) return [];
  if (!isUndisputed(entry.url, approvedListings(downloads, truth))) return [];
  const index = downloads.find(({ result, sha256 = '', attempt: id }) => {
    const before = byId.get(id);
    // What the proxy fetched for an attempt was judged before that attempt was answered.
    const isBefore = before?.outcome === 'answered' && before.status === 200 && before.ended < attempt.begun;
    return isBefore && result === 'Approved' && truth.indexes.get(sha256)?.get(entry.url) === facts.sha512;
  });
  if (!index) return [];
  return [
    violation(
      'forgotten-index',
      session,
      entry,
      `is rejected at ${attempt.begun}–${attempt.ended}, although ${index.attempt} brought its index before`,
    ),
  ];
}

function checkStrict(session: SessionHistory, entry: Entry, attempt: FetchAttempt | undefined): Violation[] {
  if (session.policy !== 'strict' || entry.isCompanion || entry.result === 'Approved') return [];
  const got = attempt?.outcome === 'answered' && attempt.status !== undefined && attempt.status < 300;
  if (got) return [violation('strict-let-through', session, entry, 'was completed by the client, and is not approved')];
  if (entry.isDelivered && entry.delivery === 'held')
    return [violation('strict-let-through', session, entry, `is recorded as delivered (${entry.delivery})`)];
  return [];
}

function violation(rule: string, { policy, id }: SessionHistory, entry: Entry, text: string): Violation {
  const { attempt, url, sha256 } = entry;
  return { rule, text: `${policy} ${id.slice(0, 8)}: ${attempt} ${url} (${sha256}) ${text}` };
}
