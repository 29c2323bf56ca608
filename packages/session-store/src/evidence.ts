import type { DownloadRecord, RefusalRecord, ResponseRecord, StoredArtifact, VouchLink } from '@waybill/contracts';
import { and, asc, between, count, eq, gt, gte, inArray, isNotNull, or, type SQL, sum } from 'drizzle-orm';
import type { Driver } from './driver.js';
import { mergeArtifact } from './merge-artifact.js';
import { type Selected, toDownload, toRefusal, toResponse, toVouch } from './records.js';

const pageRows = 500;
/** Artifacts are read in pages of at most so many, and of about so many downloads. */
const pageArtifacts = 500;
const pageDownloads = 1000;

/** Where a page of rows ended. */
interface After {
  readonly time: Date;
  readonly url: string;
  readonly id: string;
}

/** Artifacts sorted by sha256; memory holds one page, or the downloads of one artifact when these are more. */
export async function* readArtifacts(driver: Driver, sessionId: string): AsyncGenerator<StoredArtifact> {
  const { artifacts } = driver.tables;
  for (let after = ''; ; ) {
    const page = await driver.db
      .select({ sha256: artifacts.sha256 })
      .from(artifacts)
      .where(and(eq(artifacts.sessionId, sessionId), gt(artifacts.sha256, after)))
      .orderBy(asc(artifacts.sha256))
      .limit(pageArtifacts);
    const [first, end] = [page[0]?.sha256, page.at(-1)?.sha256];
    if (first === undefined || end === undefined) return;
    const last = lastOfPage(await readDownloadCounts(driver, sessionId, first, end)) ?? end;
    yield* await readRange(driver, sessionId, first, last);
    after = last;
  }
}

async function readDownloadCounts(driver: Driver, sessionId: string, first: string, last: string) {
  const { downloads } = driver.tables;
  return await driver.db
    .select({ sha256: downloads.sha256, downloads: count() })
    .from(downloads)
    .where(and(eq(downloads.sessionId, sessionId), between(downloads.sha256, first, last)))
    .groupBy(downloads.sha256)
    .orderBy(asc(downloads.sha256));
}

function lastOfPage(counts: readonly { readonly sha256: string; readonly downloads: number }[]): string | undefined {
  let sumOfDownloads = 0;
  let last: string | undefined;
  for (const entry of counts) {
    sumOfDownloads += Number(entry.downloads);
    if (last !== undefined && sumOfDownloads > pageDownloads) break;
    last = entry.sha256;
  }
  return last;
}

/** Artifacts with names between two digests, both included. */
export async function readRange(
  driver: Driver,
  sessionId: string,
  first: string,
  last: string,
): Promise<StoredArtifact[]> {
  const { downloads } = driver.tables;
  const [rows, parts] = await Promise.all([
    driver.db
      .select()
      .from(downloads)
      .where(and(eq(downloads.sessionId, sessionId), between(downloads.sha256, first, last)))
      .orderBy(
        asc(downloads.sha256),
        asc(downloads.startedAt),
        asc(downloads.endedAt),
        asc(downloads.url),
        asc(downloads.id),
      ),
    readParts(driver, sessionId, first, last),
  ]);
  const byArtifact = Map.groupBy(rows, (row) => row.sha256);
  return [...byArtifact.values()].map((of) => mergeArtifact(of.map((row) => assemble(row, parts))));
}

interface Parts {
  readonly judgements: ReadonlyMap<string, Selected<'judgements'>>;
  readonly vouches: ReadonlyMap<string, VouchLink[]>;
  readonly refusals: ReadonlyMap<string, RefusalRecord>;
}

/** What the downloads of a range refer to. Judgements are written before the downloads that name them, and never changed. */
async function readParts(driver: Driver, sessionId: string, first: string, last: string): Promise<Parts> {
  const { judgements, vouches, refusals } = driver.tables;
  const [judgementRows, vouchRows, refusalRows] = await Promise.all([
    driver.db
      .select()
      .from(judgements)
      .where(and(eq(judgements.sessionId, sessionId), between(judgements.sha256, first, last))),
    driver.db
      .select()
      .from(vouches)
      .where(and(eq(vouches.sessionId, sessionId), between(vouches.sha256, first, last)))
      .orderBy(asc(vouches.sha256), asc(vouches.judgement), asc(vouches.position)),
    driver.db
      .select()
      .from(refusals)
      .where(
        and(
          eq(refusals.sessionId, sessionId),
          isNotNull(refusals.downloadSha256),
          between(refusals.downloadSha256, first, last),
        ),
      ),
  ]);
  const vouchesOf = new Map<string, VouchLink[]>();
  for (const row of vouchRows) {
    const key = `${row.sha256} ${row.judgement}`;
    vouchesOf.set(key, [...(vouchesOf.get(key) ?? []), toVouch(row)]);
  }
  return {
    judgements: new Map(judgementRows.map((row) => [`${row.sha256} ${row.key}`, row])),
    vouches: vouchesOf,
    refusals: new Map(refusalRows.map((row) => [row.downloadId ?? '', toRefusal(row)])),
  };
}

function assemble(row: Selected<'downloads'>, parts: Parts): DownloadRecord {
  const key = `${row.sha256} ${row.judgement}`;
  const judgement = parts.judgements.get(key);
  if (!judgement) throw new Error(`download ${row.id} of ${row.sha256} has no judgement`);
  return toDownload(row, { judgement, vouchedBy: parts.vouches.get(key) ?? [], refusal: parts.refusals.get(row.id) });
}

/** Refusals and failures by time, then URL, a page at a time. */
export async function* readRefusals(driver: Driver, sessionId: string): AsyncGenerator<RefusalRecord> {
  const { refusals } = driver.tables;
  for (let after: SQL | undefined; ; ) {
    const page = await driver.db
      .select()
      .from(refusals)
      .where(and(eq(refusals.sessionId, sessionId), after))
      .orderBy(asc(refusals.at), asc(refusals.url), asc(refusals.id))
      .limit(pageRows);
    yield* page.map(toRefusal);
    const last = page.at(-1);
    if (!last || page.length < pageRows) return;
    after = beyond({ time: refusals.at, url: refusals.url, id: refusals.id }, { ...last, time: last.at });
  }
}

/** Answers without artifact by time, then URL, a page at a time. */
export async function* readResponses(driver: Driver, sessionId: string): AsyncGenerator<ResponseRecord> {
  const { responses } = driver.tables;
  for (let after: SQL | undefined; ; ) {
    const page = await driver.db
      .select()
      .from(responses)
      .where(and(eq(responses.sessionId, sessionId), after))
      .orderBy(asc(responses.startedAt), asc(responses.url), asc(responses.id))
      .limit(pageRows);
    yield* page.map(toResponse);
    const last = page.at(-1);
    if (!last || page.length < pageRows) return;
    after = beyond(
      { time: responses.startedAt, url: responses.url, id: responses.id },
      { ...last, time: last.startedAt },
    );
  }
}

type RefusalColumns = Driver['tables']['refusals'];
type ResponseColumns = Driver['tables']['responses'];

interface SortColumns {
  readonly time: RefusalColumns['at'] | ResponseColumns['startedAt'];
  readonly url: RefusalColumns['url'] | ResponseColumns['url'];
  readonly id: RefusalColumns['id'] | ResponseColumns['id'];
}

/** Rows behind the last one of a page. The first term alone lets the database start in the index. */
function beyond(columns: SortColumns, after: After): SQL | undefined {
  return and(
    gte(columns.time, after.time),
    or(
      gt(columns.time, after.time),
      gt(columns.url, after.url),
      and(eq(columns.url, after.url), gt(columns.id, after.id)),
    ),
  );
}

/** How much a session has recorded. */
export async function readCounts(driver: Driver, sessionId: string) {
  const { artifacts, downloads, refusals } = driver.tables;
  const [[stored], [transfers], [refused]] = await Promise.all([
    driver.db
      .select({ rows: count(), bytes: sum(artifacts.size) })
      .from(artifacts)
      .where(eq(artifacts.sessionId, sessionId)),
    driver.db.select({ rows: count() }).from(downloads).where(eq(downloads.sessionId, sessionId)),
    driver.db.select({ rows: count() }).from(refusals).where(eq(refusals.sessionId, sessionId)),
  ]);
  return {
    artifacts: Number(stored?.rows ?? 0),
    downloads: Number(transfers?.rows ?? 0),
    refusals: Number(refused?.rows ?? 0),
    bytes: Number(stored?.bytes ?? 0),
  };
}

const namesPerQuery = 500;

/** Which of the digests any session refers to, as artifact, voucher, index, or body of a response or refusal. */
export async function readReferenced(driver: Driver, sha256s: readonly string[]): Promise<Set<string>> {
  const { artifacts, vouches, responses, refusals, sessionCatalogs } = driver.tables;
  const { db } = driver;
  const found = new Set<string>();
  for (let from = 0; from < sha256s.length; from += namesPerQuery) {
    const names = sha256s.slice(from, from + namesPerQuery);
    const results = await Promise.all([
      db.selectDistinct({ name: artifacts.sha256 }).from(artifacts).where(inArray(artifacts.sha256, names)),
      db
        .selectDistinct({ name: vouches.voucher })
        .from(vouches)
        .where(and(eq(vouches.kind, 'artifact'), inArray(vouches.voucher, names))),
      db.selectDistinct({ name: responses.sha256 }).from(responses).where(inArray(responses.sha256, names)),
      db.selectDistinct({ name: refusals.sha256 }).from(refusals).where(inArray(refusals.sha256, names)),
      db
        .selectDistinct({ name: sessionCatalogs.sha256 })
        .from(sessionCatalogs)
        .where(inArray(sessionCatalogs.sha256, names)),
    ]);
    for (const { name } of results.flat()) if (name !== null) found.add(name);
  }
  return found;
}
