import {
  type ReportArtifact,
  type SessionReport,
  type SessionState,
  type SessionStore,
  type SessionSummary,
  toRfc3339,
} from '@waybill/contracts';
import { generator } from '../version.js';
import { toReportArtifact, toReportRefusal, toReportResponse } from './records.js';
import { createVouchChains } from './vouch-chains.js';

/** What the report says of a session beside its lists. */
export type ReportHeader = Omit<SessionReport, 'artifacts' | 'refusals' | 'failures' | 'responses'>;

/** What a report is made of. */
export interface ReportSource {
  readonly session: SessionSummary;
  readonly store: Pick<SessionStore, 'artifact' | 'artifacts' | 'refusals' | 'responses'>;
  /** The session's inspectors in execution order. */
  readonly inspectorIds: readonly string[];
  /** The session's own directory. */
  readonly spoolPath: string;
  /** `end-time` of a session that has not ended yet. */
  readonly now: Date;
}

const comment = 'Keys may be added in later versions; readers ignore those that they do not know.';
/** Records are small; gathering this many characters spares a write for each. */
const chunkCharacters = 32_768;

/** Everything but the lists, in the order of the report's keys. */
export function reportHeader({ session, inspectorIds, spoolPath, now }: ReportSource): ReportHeader {
  return {
    generator,
    comment,
    'session-id': session.id,
    'start-time': toRfc3339(session.createdAt),
    'end-time': toRfc3339(session.endedAt ?? now),
    inspectors: [...inspectorIds],
    'spool-path': spoolPath,
    policy: session.policy,
    state: reportedState(session),
  };
}

/**
 * How the session ended. One that was revoked in time still runs out of it, which lets its resources go, but what was told of
 * it stays: its end is the revocation's.
 */
function reportedState({ state, endedAt, expiresAt }: SessionSummary): SessionState {
  const isRevokedBefore = state === 'expired' && endedAt !== undefined && endedAt.getTime() !== expiresAt.getTime();
  return isRevokedBefore ? 'revoked' : state;
}

/** The session's artifacts with their chains, sorted by sha256, one at a time. */
export async function* reportArtifacts(
  source: Pick<ReportSource, 'store' | 'session'>,
): AsyncGenerator<ReportArtifact> {
  const { store, session } = source;
  const chains = createVouchChains(store, session.id);
  for await (const artifact of store.artifacts(session.id)) {
    const vouchedBy = chains.of(artifact.vouchedBy, artifact.metadata.sha256);
    // Mostly known, and then not worth a turn of the event loop.
    yield toReportArtifact(artifact, vouchedBy instanceof Promise ? await vouchedBy : vouchedBy);
  }
}

/**
 * The session report as JSON text in pieces, a record a line, in memory bounded by the largest record. `<`, `>` and `&` stand
 * as they are. specs/fetch-service.md §2.7
 */
export async function* sessionReportText(source: ReportSource): AsyncGenerator<string> {
  const { store, session } = source;
  yield* list(JSON.stringify(reportHeader(source)).slice(0, -1), 'artifacts', reportArtifacts(source));
  yield* list('', 'refusals', refusals(source, 'refusal'));
  yield* list('', 'failures', refusals(source, 'failure'));
  yield* list('', 'responses', mapped(store.responses(session.id), toReportResponse));
  yield '}\n';
}

async function* refusals({ store, session }: ReportSource, kind: 'refusal' | 'failure') {
  for await (const record of store.refusals(session.id)) if (record.kind === kind) yield toReportRefusal(record);
}

async function* mapped<From, To>(items: AsyncIterable<From>, map: (item: From) => To): AsyncGenerator<To> {
  for await (const item of items) yield map(item);
}

async function* list(before: string, name: string, items: AsyncIterable<unknown>): AsyncGenerator<string> {
  let waiting = `${before},\n${JSON.stringify(name)}:[`;
  let separator = '\n';
  for await (const item of items) {
    waiting += separator + JSON.stringify(item);
    separator = ',\n';
    if (waiting.length < chunkCharacters) continue;
    yield waiting;
    waiting = '';
  }
  yield `${waiting}]`;
}
