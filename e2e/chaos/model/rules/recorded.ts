import { type Entry, entriesOf } from '../entries.js';
import type { FetchAttempt, Reading, SessionHistory, StorageFault, Violation } from '../history.js';
import { digestOfPart, type Truth } from '../truth.js';
import { overlaps } from './states.js';

/** Promise 2: what a client got is in every report that was asked for afterwards, as it was got. */
export function checkRecorded(session: SessionHistory, truth: Truth, faults: readonly StorageFault[]): Violation[] {
  return session.readings.flatMap((reading) => {
    const byAttempt = Map.groupBy(entriesOf(reading), ({ attempt }) => attempt);
    return session.attempts
      .filter(({ outcome, ended }) => outcome === 'answered' && ended < reading.begun)
      .flatMap((attempt) => checkAnswer({ session, reading, attempt, truth, faults }, byAttempt.get(attempt.id) ?? []));
  });
}

interface Place {
  readonly session: SessionHistory;
  readonly reading: Reading;
  readonly attempt: FetchAttempt;
  readonly truth: Truth;
  readonly faults: readonly StorageFault[];
}

function checkAnswer(place: Place, entries: readonly Entry[]): Violation[] {
  const { reading, attempt, faults } = place;
  const { method, status = 0 } = attempt;
  if (method === 'GET' && status >= 200 && status < 300 && attempt.size > 0) return checkBody(place, entries);
  if (reading.kind === 'artifacts' || entries.length > 0) return [];
  // A store that is out of order cannot take the refusal either; the client is told all the same.
  if (status >= 400 && overlaps(attempt, faults)) return [];
  return [violation('answer-unrecorded', place, `got ${status}, and the report says nothing of it`)];
}

function checkBody(place: Place, entries: readonly Entry[]): Violation[] {
  const { attempt, truth } = place;
  const [entry] = entries.filter(
    ({ list, isDelivered }) => (list === 'download' || list === 'response') && isDelivered,
  );
  if (!entry) {
    const found = entries.map(({ list, phase, delivery }) => [list, phase, delivery].filter(Boolean).join(' '));
    return [
      violation('body-unrecorded', place, `got ${attempt.size} bytes; the report has [${found.join(', ')}] of it`),
    ];
  }
  const faults: string[] = [];
  if (entry.url !== attempt.url) faults.push(`url ${entry.url}`);
  if (attempt.range) {
    const part = digestOfPart(truth, entry.sha256, attempt.range);
    if (part && part !== attempt.sha256) faults.push(`bytes that are no part of ${entry.sha256}`);
    if (attempt.status === 200 && entry.sha256 !== attempt.sha256) faults.push(`digest ${entry.sha256}`);
  } else {
    if (entry.sha256 !== attempt.sha256) faults.push(`digest ${entry.sha256}, received ${attempt.sha256}`);
    if (entry.size !== attempt.size) faults.push(`size ${entry.size}, received ${attempt.size}`);
  }
  const facts = truth.bodies.get(entry.sha256 ?? '');
  if (facts && facts.size !== entry.size) faults.push(`size ${entry.size}, the body has ${facts.size}`);
  const sha512 = entry.artifact?.metadata.sha512;
  // That of a large body is not always wanted, and then empty.
  if (facts && sha512 && sha512 !== facts.sha512) faults.push(`sha512 ${sha512}`);
  return faults.map((fault) => violation('body-recorded-wrong', place, `the record has ${fault}`));
}

function violation(rule: string, { session, reading, attempt }: Place, text: string): Violation {
  const { id, url, begun, ended } = attempt;
  return {
    rule,
    text: `${session.policy} ${session.id.slice(0, 8)}: ${id} ${url} (moments ${begun}–${ended}) ${text} (${reading.kind} read at ${reading.begun}–${reading.ended})`,
  };
}
