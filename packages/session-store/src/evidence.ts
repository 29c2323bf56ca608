import type { DownloadRecord, RefusalRecord, ResponseRecord, SessionCounts, StoredArtifact } from '@waybill/contracts';
import { isHexDigest } from '@waybill/contracts';
import { and, asc, count, eq, gt, gte, max, or, type SQL, sql, sum } from 'drizzle-orm';
import type { Driver, Tables } from './driver.js';
import { mergeArtifact } from './merge-artifact.js';
import { toDownload, toRefusal, toResponse } from './payload.js';

/** Records read in one go. Some are a hundred times the usual size of 1 KiB. */
const pageRows = 250;

/** A session to read: its number in the database, and its id. */
export interface SessionPlace {
  readonly key: number;
  readonly id: string;
}

/** Pages of artifacts sorted by sha256; memory holds one page, or the downloads of one artifact when these are more. */
export async function* readArtifacts(driver: Driver, session: SessionPlace): AsyncGenerator<StoredArtifact[]> {
  const { downloads, enteredDownloads } = driver.tables;
  const source = (await driver.catchUp({ all: true })) ? enteredDownloads : downloads;
  for (let after = ''; ; ) {
    const page = await readDownloads(driver, source, session, after);
    const isLast = page.length < pageRows;
    const groups = [...Map.groupBy(page, (download) => download.metadata.sha256).values()];
    // The page may end within the downloads of an artifact: they are read again, with the next page or by themselves.
    const cut = isLast ? undefined : groups.pop()?.[0]?.metadata.sha256;
    if (groups.length === 0 && cut) {
      yield [mergeArtifact(sorted(await readDownloadsOf(driver, session, cut)))];
      after = cut;
      continue;
    }
    if (groups.length > 0) yield groups.map((group) => mergeArtifact(sorted(group)));
    if (isLast) return;
    after = groups.at(-1)?.[0]?.metadata.sha256 ?? after;
  }
}

type DownloadsView = Tables['downloads'] | Tables['enteredDownloads'];

async function readDownloads(
  { db, tables }: Driver,
  downloads: DownloadsView,
  session: SessionPlace,
  after: string,
): Promise<DownloadRecord[]> {
  const { payload } = downloads;
  const rows = await db
    .select(downloads === tables.enteredDownloads ? { payload } : columnsOf(downloads))
    .from(downloads)
    .where(and(eq(downloads.session, session.key), gt(downloads.sha256, after)))
    .orderBy(asc(downloads.sha256), asc(downloads.id))
    .limit(pageRows);
  return rows.map((row) => toDownload(session.id, row.payload));
}

async function readDownloadsOf(
  { db, tables: { downloads } }: Driver,
  session: SessionPlace,
  sha256: string,
): Promise<DownloadRecord[]> {
  const rows = await db
    .select(columnsOf(downloads))
    .from(downloads)
    .where(and(eq(downloads.session, session.key), eq(downloads.sha256, sha256)))
    .orderBy(asc(downloads.id));
  return rows.map((row) => toDownload(session.id, row.payload));
}

/** What is sorted by is asked for as well: otherwise SQLite sorts all of `downloads` instead of merging its halves. */
function columnsOf({ sha256, id, payload }: DownloadsView) {
  return { sha256, id, payload };
}

/** Oldest first; equal ones stay in the order of recording. */
function sorted(downloads: DownloadRecord[]): DownloadRecord[] {
  return downloads.sort(
    (a, b) =>
      a.startedAt.getTime() - b.startedAt.getTime() ||
      a.endedAt.getTime() - b.endedAt.getTime() ||
      compareBytes(a.url, b.url),
  );
}

/** One artifact. */
export async function readArtifact(
  driver: Driver,
  session: SessionPlace,
  sha256: string,
): Promise<StoredArtifact | undefined> {
  if (!isHexDigest('sha256', sha256)) return undefined;
  await driver.catchUp({ all: false });
  const downloads = await readDownloadsOf(driver, session, sha256);
  return downloads.length > 0 ? mergeArtifact(sorted(downloads)) : undefined;
}

/** Refusals and failures by time, then URL, a page at a time. */
export function readRefusals(driver: Driver, session: SessionPlace): AsyncGenerator<RefusalRecord[]> {
  return readByTime(driver, session, 'r', (payload) => {
    const record = toRefusal(session.id, payload);
    return { record, time: record.at.getTime() };
  });
}

/** Answers without artifact by time, then URL, a page at a time. */
export function readResponses(driver: Driver, session: SessionPlace): AsyncGenerator<ResponseRecord[]> {
  return readByTime(driver, session, 'a', (payload) => {
    const record = toResponse(session.id, payload);
    return { record, time: record.startedAt.getTime() };
  });
}

interface Timed<T> {
  readonly record: T;
  readonly time: number;
}

/** Memory holds a page and the records of one millisecond. */
async function* readByTime<T extends { readonly url: string }>(
  driver: Driver,
  session: SessionPlace,
  kind: 'r' | 'a',
  read: (payload: string) => Timed<T>,
): AsyncGenerator<T[]> {
  const { records } = driver.tables;
  let waiting: Timed<T>[] = [];
  for (let after: SQL | undefined; ; ) {
    const rows = await driver.db
      .select({ id: records.id, at: records.at, payload: records.payload })
      .from(records)
      .where(and(isOf(driver, session, kind), after))
      .orderBy(asc(records.at), asc(records.id))
      .limit(pageRows);
    waiting.push(...rows.map((row) => read(row.payload)));
    const last = rows.at(-1);
    const isLast = !last || rows.length < pageRows;
    // More of the last millisecond may follow, and theirs is a common order.
    const end = isLast ? waiting.length : waiting.findIndex(({ time }) => time === last.at.getTime());
    const whole = waiting.slice(0, end);
    waiting = waiting.slice(end);
    whole.sort((a, b) => a.time - b.time || compareBytes(a.record.url, b.record.url));
    if (whole.length > 0) yield whole.map(({ record }) => record);
    if (isLast) return;
    // The first term alone lets the database start in the index.
    after = and(gte(records.at, last.at), or(gt(records.at, last.at), gt(records.id, last.id)));
  }
}

/** Says what the index says, too: SQLite does not conclude it from a parameter. */
function isOf({ tables: { records } }: Driver, session: SessionPlace, kind: 'r' | 'a'): SQL | undefined {
  return and(eq(records.session, session.key), eq(records.kind, kind), sql`${records.kind} <> 'd'`);
}

/** The order of UTF-8, which that of UTF-16 is not. */
function compareBytes(a: string, b: string): number {
  if (a === b) return 0;
  return Buffer.compare(Buffer.from(a), Buffer.from(b));
}

/** Digests read in one go. */
const pageDigests = 2_000;

/** Names of blobs, a page at a time. */
export async function* readDigests(driver: Driver, session: SessionPlace): AsyncGenerator<string[]> {
  const { downloadIndex, indexedDownloads, sessionCatalogs, sessionVouchers } = driver.tables;
  const index = (await driver.catchUp({ all: true })) ? indexedDownloads : downloadIndex;
  for (const table of [index, sessionVouchers, sessionCatalogs]) {
    for (let after = '', isLast = false; !isLast; ) {
      const rows = await driver.db
        .select({ sha256: driver.hexOf(table.sha256) })
        .from(table)
        .where(and(eq(table.session, session.key), gt(table.sha256, after)))
        .groupBy(table.sha256)
        .orderBy(asc(table.sha256))
        .limit(pageDigests);
      yield rows.map((row) => row.sha256);
      after = rows.at(-1)?.sha256 ?? after;
      isLast = rows.length < pageDigests;
    }
  }
  for (const lists of [readRefusals(driver, session), readResponses(driver, session)]) {
    for await (const page of lists) yield page.flatMap((record) => record.sha256 ?? []);
  }
}

/** How much a session has recorded. */
export async function readCounts(driver: Driver, session: SessionPlace): Promise<SessionCounts> {
  const { downloadIndex, indexedDownloads, records } = driver.tables;
  const { db } = driver;
  // In its own order the table can be grouped on the fly; the view has to be sorted.
  const index = (await driver.catchUp({ all: true })) ? indexedDownloads : downloadIndex;
  const artifacts = db
    .select({ downloads: count().as('downloads'), size: max(index.size).as('size') })
    .from(index)
    .where(eq(index.session, session.key))
    .groupBy(index.sha256)
    .as('of_artifact');
  const [[stored], [refused]] = await Promise.all([
    db.select({ artifacts: count(), downloads: sum(artifacts.downloads), bytes: sum(artifacts.size) }).from(artifacts),
    db
      .select({ rows: count() })
      .from(records)
      .where(isOf(driver, session, 'r')),
  ]);
  return {
    artifacts: Number(stored?.artifacts ?? 0),
    downloads: Number(stored?.downloads ?? 0),
    refusals: Number(refused?.rows ?? 0),
    bytes: Number(stored?.bytes ?? 0),
  };
}

const namesPerQuery = 500;

/** Which of the digests any session refers to, as artifact, voucher, index, or body of a response or refusal. */
export async function readReferenced(driver: Driver, sha256s: readonly string[]): Promise<Set<string>> {
  await driver.catchUp({ all: false });
  const found = new Set<string>();
  const names = sha256s.filter((sha256) => isHexDigest('sha256', sha256));
  for (let from = 0; from < names.length; from += namesPerQuery) {
    for (const name of await driver.referenced(names.slice(from, from + namesPerQuery))) found.add(name);
  }
  return found;
}
