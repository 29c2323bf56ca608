import { hash } from 'node:crypto';
import { type CatalogRef, type DownloadRecord, type ExchangeRecord, isHexDigest } from '@waybill/contracts';
import { SessionStoreError } from './errors.js';
import { catalogPayload, downloadPayload, refusalPayload, responsePayload } from './payload.js';

/** `d`: a download; `r`: a refusal or failure; `a`: an answer without artifact. */
export type RecordKind = 'd' | 'r' | 'a';

/**
 * Records of one transaction, by column: copied to another thread, or sent as one array each, columns cost a third of rows.
 * Element n of each column belongs to the nth record; `session` counts in `sessions`.
 */
export interface RecordColumns {
  readonly session: number[];
  readonly kind: RecordKind[];
  /** Hex. */
  readonly sha256: (string | null)[];
  readonly size: (number | null)[];
  /** Milliseconds since 1970. */
  readonly at: number[];
  readonly payload: string[];
}

/** An index that a session trusts from now on, unless it does already. */
export interface CatalogRow {
  readonly session: number;
  readonly scopeKey: string;
  readonly key: string;
  readonly id: string;
  readonly sha256: string;
  readonly payload: string;
}

/** An artifact that stands for others. */
export interface VoucherRow {
  readonly session: number;
  readonly sha256: string;
}

/** What one transaction writes. Catalogs and vouchers are sorted by key, so that two writers never wait for each other. */
export interface RecordBatch {
  /** Tells the batch from all others; sorts by time. */
  readonly id: string;
  /** Ids of the sessions, each once, sorted. */
  readonly sessions: readonly string[];
  /** Whether each of them must be open: there are answers of it, downloads or others. */
  readonly mustBeOpen: readonly boolean[];
  readonly records: RecordColumns;
  readonly catalogs: readonly CatalogRow[];
  readonly vouchers: readonly VoucherRow[];
}

/** @throws SessionStoreError STORE_FAILED when a record names a digest that is none */
export function toRecordBatch(records: readonly ExchangeRecord[], nextId: () => string): RecordBatch {
  const sessions = [...new Set(records.map((record) => record.sessionId))].sort();
  const batch = new BatchBuilder(sessions, nextId);
  for (const record of records) batch.add(record);
  return batch.build();
}

class BatchBuilder {
  readonly #sessions: readonly string[];
  readonly #numbers: ReadonlyMap<string, number>;
  readonly #nextId: () => string;
  readonly #records: RecordColumns = { session: [], kind: [], sha256: [], size: [], at: [], payload: [] };
  readonly #catalogs = new Map<string, CatalogRow>();
  readonly #vouchers = new Map<string, VoucherRow>();
  readonly #mustBeOpen: boolean[];

  constructor(sessions: readonly string[], nextId: () => string) {
    this.#sessions = sessions;
    this.#numbers = new Map(sessions.map((id, number) => [id, number]));
    this.#nextId = nextId;
    this.#mustBeOpen = sessions.map(() => false);
  }

  add(record: ExchangeRecord): void {
    const { sessionId } = record;
    if (record.kind === 'download' || record.kind === 'response') this.#mustBeOpen[this.#numberOf(sessionId)] = true;
    if (record.kind === 'download') {
      this.#push(sessionId, 'd', record.metadata, record.startedAt, downloadPayload(record));
      this.#addReferences(record);
      if (record.refusal) this.add(record.refusal);
    } else if (record.kind === 'response')
      this.#push(sessionId, 'a', record, record.startedAt, responsePayload(record));
    else this.#push(sessionId, 'r', record, record.at, refusalPayload(record));
  }

  build(): RecordBatch {
    return {
      id: this.#nextId(),
      sessions: this.#sessions,
      mustBeOpen: this.#mustBeOpen,
      records: this.#records,
      catalogs: sorted(this.#catalogs),
      vouchers: sorted(this.#vouchers),
    };
  }

  #push(
    sessionId: string,
    kind: RecordKind,
    body: { readonly sha256?: string | undefined; readonly size?: number | undefined },
    at: Date,
    payload: readonly unknown[],
  ): void {
    const columns = this.#records;
    columns.session.push(this.#numberOf(sessionId));
    columns.kind.push(kind);
    columns.sha256.push(body.sha256 === undefined ? null : checkedDigest(body.sha256));
    columns.size.push(body.size ?? null);
    columns.at.push(at.getTime());
    columns.payload.push(JSON.stringify(payload));
  }

  #addReferences({ sessionId, vouchedBy, provides, result }: DownloadRecord): void {
    const session = this.#numberOf(sessionId);
    for (const link of vouchedBy) {
      if (link.kind !== 'artifact') continue;
      this.#vouchers.set(`${sessionId} ${link.sha256}`, { session, sha256: checkedDigest(link.sha256) });
    }
    if (result !== 'Approved') return;
    for (const catalog of provides) {
      const key = keyOf(catalogIdentity(catalog));
      const scopeKey = scopeKeyOf(catalog.scope);
      const place = `${sessionId} ${scopeKey} ${key}`;
      if (this.#catalogs.has(place)) continue;
      const sha256 = checkedDigest(catalog.sha256);
      const payload = catalogPayload(catalog);
      this.#catalogs.set(place, { session, scopeKey, key, id: this.#nextId(), sha256, payload });
    }
  }

  #numberOf(sessionId: string): number {
    return this.#numbers.get(sessionId) ?? -1;
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

function checkedDigest(sha256: string): string {
  if (isHexDigest('sha256', sha256)) return sha256;
  throw new SessionStoreError('STORE_FAILED', 'a record names a sha256 that is none');
}

function sorted<T>(rows: ReadonlyMap<string, T>): T[] {
  return [...rows].sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0)).map(([, row]) => row);
}
