import type { ExchangeRecord, NewRecords, RecordPosition } from '@waybill/contracts';
import { and, asc, eq, gt, inArray, max, type SQL, sql } from 'drizzle-orm';
import type { Driver } from './driver.js';
import type { SessionPlace } from './evidence.js';
import { toDownload, toRefusal, toResponse } from './payload.js';

/** Records of one answer. */
const pageRows = 250;
/** Numbers looked at for one answer. */
const pageNumbers = 10_000;
/** Numbers before the newest that may not be visible yet when somebody begins to read. */
const lateNumbers = 1_000;

/**
 * Records behind a position. Numbers are given out before records become visible: those that may still come late are looked for
 * again for a while, and what was read is left out by its number.
 */
export async function readNews(
  driver: Driver,
  session: SessionPlace,
  position: RecordPosition | undefined,
): Promise<NewRecords> {
  const now = Date.now();
  if (!position) return { records: [], position: await startAt(driver, session, now) };
  const { settled, recent } = position;
  const numbers = await numbersAfter(driver, session, settled);
  const fresh = numbers.filter((id) => !recent.has(id)).slice(0, pageRows);
  const records = await readRecords(driver, session, fresh);
  const read = new Map([...recent, ...fresh.map((id) => [id, now] as const)]);
  return { records, position: forget(read, settled, now - driver.changes.lateMs) };
}

async function startAt(driver: Driver, session: SessionPlace, now: number): Promise<RecordPosition> {
  const last = await newest(driver, session);
  if (driver.changes.lateMs === 0) return { settled: last, recent: new Map() };
  const settled = Math.max(0, last - lateNumbers);
  return { settled, recent: new Map((await numbersAfter(driver, session, settled)).map((id) => [id, now])) };
}

/** Everything up to the last number that was read long enough ago is settled. */
function forget(read: ReadonlyMap<number, number>, settled: number, before: number): RecordPosition {
  const past = [...read].filter(([, at]) => at <= before).map(([id]) => id);
  const end = past.reduce((highest, id) => Math.max(highest, id), settled);
  return { settled: end, recent: new Map([...read].filter(([id]) => id > end)) };
}

/** Each kind by itself: that is how they are indexed. */
function partsOf({ tables: { records } }: Driver, session: SessionPlace): (SQL | undefined)[] {
  const isOf = eq(records.session, session.key);
  return [and(isOf, sql`${records.kind} = 'd'`), and(isOf, sql`${records.kind} <> 'd'`)];
}

async function newest(driver: Driver, session: SessionPlace): Promise<number> {
  const { records } = driver.tables;
  const found = partsOf(driver, session).map((part) =>
    driver.db
      .select({ id: max(records.id) })
      .from(records)
      .where(part),
  );
  const rows = await Promise.all(found);
  return Math.max(0, ...rows.map(([row]) => Number(row?.id ?? 0)));
}

async function numbersAfter(driver: Driver, session: SessionPlace, after: number): Promise<number[]> {
  const { records } = driver.tables;
  const found = partsOf(driver, session).map((part) =>
    driver.db
      .select({ id: records.id })
      .from(records)
      .where(and(part, gt(records.id, after)))
      .orderBy(asc(records.id))
      .limit(pageNumbers),
  );
  const rows = await Promise.all(found);
  return rows
    .flat()
    .map(({ id }) => id)
    .sort((a, b) => a - b);
}

async function readRecords(driver: Driver, session: SessionPlace, ids: readonly number[]): Promise<ExchangeRecord[]> {
  if (ids.length === 0) return [];
  const { records } = driver.tables;
  const found = partsOf(driver, session).map((part) =>
    driver.db
      .select({ id: records.id, kind: records.kind, payload: records.payload })
      .from(records)
      .where(and(part, inArray(records.id, [...ids]))),
  );
  const rows = (await Promise.all(found)).flat().sort((a, b) => a.id - b.id);
  return rows.map(({ kind, payload }) => toRecord(session.id, kind, payload));
}

function toRecord(sessionId: string, kind: string, payload: string): ExchangeRecord {
  if (kind === 'd') return toDownload(sessionId, payload);
  return kind === 'a' ? toResponse(sessionId, payload) : toRefusal(sessionId, payload);
}
