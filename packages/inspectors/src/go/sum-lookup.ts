import { createHash } from 'node:crypto';
import { buffer } from 'node:stream/consumers';
import type { CatalogParser, InspectionContext, VouchLink } from '@waybill/contracts';
import type { DatabasePlace, GoDatabase, GoProxy, GoSettings } from './configuration.js';
import { escapePath } from './module-path.js';
import { KnownLog, type Lookup, parseLookup, parseSums, SumDatabaseError, type SumRecord } from './sum-database.js';
import { tileBytes } from './tiles.js';

/** Kind of the catalogs that answers of checksum databases are. */
export const goSumKind = 'go.sumdb';
export const lookupBytes = 1024 * 1024;

/** What to do when a database contradicts itself. */
export const brokenDatabaseHint =
  'do not build with this answer; if it comes again, tell whoever runs the database or the proxy in front of it';

/** Scope of what databases say of one version. */
export function sumScope(module: string, version: string): string {
  return `${goSumKind}:${module}@${version}`;
}

export const goSumParser: CatalogParser<readonly SumRecord[]> = {
  kind: goSumKind,
  async parse(bytes) {
    const whole = await buffer(bytes);
    const [, data = ''] = /^\d+\n((?:[^\n]+\n)+)\n/.exec(whole.toString('utf8')) ?? [];
    return parseSums(data);
  },
  weigh: (records) => 200 + records.length * 600,
};

/** Logs by verifier key: what is proven once holds for every session. */
const logs = new Map<string, KnownLog>();
const mostLogs = 16;

/** What this process knows of a database's log. */
export function logOf({ key }: Pick<GoDatabase, 'key'>): KnownLog {
  const known = logs.get(key) ?? new KnownLog();
  logs.delete(key);
  logs.set(key, known);
  for (const oldest of logs.keys()) {
    if (logs.size <= mostLogs) break;
    logs.delete(oldest);
  }
  return known;
}

/**
 * Reads an answer and proves it: signature, place in the log, one history.
 * @throws SumDatabaseError
 */
export async function openLookup(
  text: string,
  place: DatabasePlace,
  context: Pick<InspectionContext, 'companion'>,
): Promise<Lookup> {
  const lookup = parseLookup(text, place.database.verifier);
  await logOf(place.database).prove(lookup, (path) => context.companion(new URL(path, place.url), tileBytes));
  return lookup;
}

/** What some database says of a version, with who stands for it. */
export interface SumVoucher {
  readonly record: SumRecord;
  readonly link: VouchLink;
}

/** What the session's answers say of a version. */
export async function findSums(
  { module, version }: { readonly module: string; readonly version: string },
  context: InspectionContext,
): Promise<SumVoucher[]> {
  const catalogs = await context.catalogs<readonly SumRecord[]>(sumScope(module, version));
  return catalogs.toReversed().flatMap(({ ref, value }) => {
    const record = value.find((one) => one.module === module && one.version === version);
    return record ? [{ record, link: linkOf(ref.sha256, record) }] : [];
  });
}

/**
 * Asks the databases when the client did not: with a go.sum it never does, and without one it does so only afterwards. First
 * through the proxy that the module comes from, as clients do.
 * @throws SumDatabaseError when an answer cannot be proven
 */
export async function fetchSums(
  { module, version }: { readonly module: string; readonly version: string },
  proxy: GoProxy,
  { databases }: GoSettings,
  context: InspectionContext,
): Promise<SumVoucher[]> {
  for (const database of databases) {
    const handedOn = new URL(`sumdb/${database.verifier.name}/`, proxy.url);
    for (const url of [handedOn, database.url]) {
      const path = `lookup/${escapePath(module)}@${escapePath(version)}`;
      const bytes = await context.companion(new URL(path, url), lookupBytes);
      if (!bytes) continue;
      const lookup = await openLookup(Buffer.from(bytes).toString('utf8'), { database, url }, context);
      const record = lookup.records.find((one) => one.module === module && one.version === version);
      if (!record)
        throw new SumDatabaseError(`${database.verifier.name} answers for something else than ${module}@${version}`);
      return [{ record, link: linkOf(createHash('sha256').update(bytes).digest('hex'), record) }];
    }
  }
  return [];
}

function linkOf(sha256: string, { module, version }: SumRecord): VouchLink {
  return { kind: 'artifact', sha256, inspector: goSumKind, name: `checksums of ${module}@${version}` };
}
