import { hash } from 'node:crypto';
import type {
  CatalogRef,
  DownloadRecord,
  ExchangeRecord,
  RefusalRecord,
  ResponseRecord,
  VouchLink,
} from '@waybill/contracts';
import type { InsertBatch, TableName, Tables } from './driver.js';

type Row<Name extends TableName> = Tables[Name]['$inferInsert'];

/** Where a refusal came from, when it came with a download. */
interface DownloadId {
  readonly sha256: string;
  readonly id: string;
}

/**
 * Rows of records, in an order that all writers share (tables as here, rows by key), so that two transactions with the
 * same artifacts wait for each other instead of locking each other out.
 */
export function toBatches(records: readonly ExchangeRecord[], nextId: () => string): InsertBatch[] {
  const rows = new Rows(nextId);
  for (const record of records) rows.add(record);
  return rows.batches();
}

class Rows {
  readonly #nextId: () => string;
  readonly #artifacts = new Map<string, Row<'artifacts'>>();
  readonly #judgements = new Map<string, Row<'judgements'>>();
  readonly #vouches = new Map<string, Row<'vouches'>>();
  readonly #catalogs = new Map<string, Row<'sessionCatalogs'>>();
  readonly #downloads: Row<'downloads'>[] = [];
  readonly #responses: Row<'responses'>[] = [];
  readonly #refusals: Row<'refusals'>[] = [];

  constructor(nextId: () => string) {
    this.#nextId = nextId;
  }

  add(record: ExchangeRecord): void {
    if (record.kind === 'download') this.#addDownload(record);
    else if (record.kind === 'response') this.#responses.push(responseRow(record, this.#nextId()));
    else this.#refusals.push(refusalRow(record, this.#nextId()));
  }

  batches(): InsertBatch[] {
    const all: InsertBatch[] = [
      { table: 'artifacts', rows: sorted(this.#artifacts), keepExisting: true },
      { table: 'judgements', rows: sorted(this.#judgements), keepExisting: true },
      { table: 'vouches', rows: sorted(this.#vouches), keepExisting: true },
      { table: 'sessionCatalogs', rows: sorted(this.#catalogs), keepExisting: true },
      { table: 'downloads', rows: this.#downloads, keepExisting: false },
      { table: 'responses', rows: this.#responses, keepExisting: false },
      { table: 'refusals', rows: this.#refusals, keepExisting: false },
    ];
    return all.filter((batch) => batch.rows.length > 0);
  }

  #addDownload(record: DownloadRecord): void {
    const { sessionId, metadata } = record;
    const { sha256 } = metadata;
    const id = this.#nextId();
    const place = `${sessionId} ${sha256}`;
    this.#artifacts.set(place, { sessionId, sha256, size: metadata.size });
    const judgement = this.#addJudgement(record, place);
    this.#downloads.push(downloadRow(record, id, judgement));
    if (record.result === 'Approved') this.#addCatalogs(record, id);
    if (record.refusal) this.#refusals.push(refusalRow(record.refusal, this.#nextId(), { sha256, id }));
  }

  #addJudgement(record: DownloadRecord, place: string): string {
    const { sessionId, metadata, requestInspection, responseInspection, result, provides, vouchedBy } = record;
    const { sha256 } = metadata;
    const key = keyOf([metadata, requestInspection, responseInspection, result, provides, vouchedBy]);
    if (this.#judgements.has(`${place} ${key}`)) return key;
    this.#judgements.set(`${place} ${key}`, {
      sessionId,
      sha256,
      key,
      result,
      metadata,
      requestInspection,
      responseInspection,
      provides,
    });
    for (const [position, link] of vouchedBy.entries()) {
      const row = { sessionId, sha256, judgement: key, position, ...vouchColumns(link) };
      this.#vouches.set(`${place} ${key} ${String(position).padStart(6, '0')}`, row);
    }
    return key;
  }

  #addCatalogs(record: DownloadRecord, downloadId: string): void {
    const { sessionId } = record;
    for (const [position, catalog] of record.provides.entries()) {
      const key = keyOf(catalogIdentity(catalog));
      const scopeKey = scopeKeyOf(catalog.scope);
      const place = `${sessionId} ${scopeKey} ${key}`;
      if (this.#catalogs.has(place)) continue;
      const id = `${downloadId}.${String(position).padStart(6, '0')}`;
      const { scope, kind, sha256, inspector, url, name, attributes } = catalog;
      this.#catalogs.set(place, {
        sessionId,
        scope,
        scopeKey,
        key,
        id,
        kind,
        sha256,
        inspector,
        url,
        name,
        attributes: attributes ?? null,
      });
    }
  }
}

/** Stands for a scope in keys. */
export function scopeKeyOf(scope: string): string {
  return keyOf(scope);
}

/** 132 bits of a sha256: no two contents meet by chance or on purpose, and keys stay short. */
function keyOf(content: unknown): string {
  return hash('sha256', JSON.stringify(content), 'base64url').slice(0, 22);
}

function catalogIdentity(catalog: CatalogRef): unknown {
  const attributes = Object.entries(catalog.attributes ?? {}).sort(([a], [b]) => (a < b ? -1 : 1));
  return [catalog.scope, catalog.kind, catalog.sha256, catalog.inspector, catalog.url, catalog.name, attributes];
}

function vouchColumns(link: VouchLink) {
  return link.kind === 'artifact'
    ? { kind: link.kind, voucher: link.sha256, inspector: link.inspector, name: link.name }
    : { kind: link.kind, voucher: link.id, inspector: null, name: link.name };
}

function requestColumns(record: ExchangeRecord) {
  const { sessionId, startedAt, method, url, address, userAgent, requestHeader } = record;
  return { sessionId, startedAt, method, url, address, userAgent, requestHeader };
}

function responseColumns(record: DownloadRecord | ResponseRecord) {
  const { endedAt, statusCode, status, contentType, responseHeader, responseTrailer, delivery } = record;
  return {
    endedAt,
    statusCode,
    status,
    contentType,
    responseHeader,
    responseTrailer: responseTrailer ?? null,
    delivery,
  };
}

function downloadRow(record: DownloadRecord, id: string, judgement: string): Row<'downloads'> {
  return { sha256: record.metadata.sha256, id, judgement, ...requestColumns(record), ...responseColumns(record) };
}

function responseRow(record: ResponseRecord, id: string): Row<'responses'> {
  const { requestInspection, note, result, sha256, size } = record;
  return {
    id,
    ...requestColumns(record),
    ...responseColumns(record),
    requestInspection,
    note,
    result: result ?? null,
    sha256: sha256 ?? null,
    size: size ?? null,
  };
}

function refusalRow(record: RefusalRecord, id: string, download?: DownloadId): Row<'refusals'> {
  const { kind, phase, at, statusCode, reason, delivered, requestInspection, responseInspection } = record;
  return {
    id,
    kind,
    phase,
    at,
    statusCode,
    reason,
    delivered,
    requestInspection,
    responseInspection,
    ...requestColumns(record),
    hint: record.hint ?? null,
    inspector: record.inspector ?? null,
    sha256: record.sha256 ?? null,
    size: record.size ?? null,
    downloadSha256: download?.sha256 ?? null,
    downloadId: download?.id ?? null,
  };
}

function sorted<T>(rows: ReadonlyMap<string, T>): T[] {
  return [...rows].sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0)).map(([, row]) => row);
}
