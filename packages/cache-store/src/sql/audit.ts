import { stripControl } from '@waybill/contracts';
import type { StatementRunner } from '@waybill/database';
import type { AuditRecord, CacheEntryKind, CacheStore, CacheWriter } from '../cache-store.js';
import { toWriter } from './entry-rows.js';

export type NewAuditRecord = Omit<AuditRecord, 'id' | 'at'>;

/** What clients say of themselves, in bounds and without what could forge a line. */
export function cleanWriter({ principal, client, address }: CacheWriter): CacheWriter {
  return {
    principal: clean(principal, 200),
    ...(client !== undefined && { client: clean(client, 300) }),
    ...(address !== undefined && { address: clean(address, 100) }),
  };
}

function clean(text: string, most: number): string {
  return stripControl(text.slice(0, most))
    .replaceAll(/[\t\n]/g, ' ')
    .toWellFormed();
}

export async function writeAudit(
  runner: StatementRunner,
  now: number,
  { namespace, action, kind, key, sha256, writer, detail }: NewAuditRecord,
): Promise<void> {
  const { principal, client, address } = cleanWriter(writer);
  await runner.rows(
    `insert into cache_audit (at, namespace, action, kind, key, sha256, principal, client, address, detail)
     values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    [
      now,
      clean(namespace, 200),
      action,
      kind ?? null,
      key === undefined ? null : clean(key, 1024),
      sha256 ?? null,
      principal,
      client ?? null,
      address ?? null,
      detail === undefined ? null : clean(detail, 1000),
    ],
  );
}

export async function readAudit(
  runner: StatementRunner,
  { namespace, principal, before, limit }: Parameters<CacheStore['audit']>[0],
): Promise<readonly AuditRecord[]> {
  const conditions = ['id < ?'];
  const params: unknown[] = [before ?? Number.MAX_SAFE_INTEGER];
  if (namespace !== undefined) {
    conditions.push('namespace = ?');
    params.push(namespace);
  }
  if (principal !== undefined) {
    conditions.push('principal = ?');
    params.push(principal);
  }
  const rows = await runner.rows(
    `select id, at, namespace, action, kind, key, sha256, principal, client, address, detail from cache_audit
     where ${conditions.join(' and ')} order by id desc limit ?`,
    [...params, limit],
  );
  return rows.map(([id, at, name, action, kind, key, sha256, who, client, address, detail]) => ({
    id: Number(id),
    at: new Date(Number(at)),
    namespace: String(name),
    action: action as AuditRecord['action'],
    ...(kind !== null && { kind: kind as CacheEntryKind }),
    ...(key !== null && { key: String(key) }),
    ...(sha256 !== null && { sha256: String(sha256) }),
    writer: toWriter(who, client, address),
    ...(detail !== null && { detail: String(detail) }),
  }));
}
