import type { CatalogParser } from '@waybill/contracts';
import { normalizeUrl } from '@waybill/policy';
import { readAtMost } from '../read-at-most.js';

/** Kind and scope of the catalogs that batch answers are: objects may lie on any host, so no repository is in the scope. */
export const lfsBatchKind = 'git.lfs-batch';

/** Content type of questions and answers. */
export const lfsType = 'application/vnd.git-lfs+json';

/** Clients ask for a hundred objects at a time. */
const maxObjects = 10_000;
/** Of a batch answer. */
export const maxAnswerBytes = 16 * 2 ** 20;

/** An object as the client's pointer file names it. */
export interface LfsObject {
  /** sha256 of its content. */
  readonly oid: string;
  /** Bytes. */
  readonly size: number;
}

/** What a client asks: `refused` is why it may not. */
export type LfsQuestion =
  | { readonly kind: 'download'; readonly objects: readonly LfsObject[] }
  | { readonly kind: 'refused'; readonly reason: string };

/** An answer's objects: where each of them lies. */
export interface LfsBatch {
  readonly objects: ReadonlyMap<string, LfsObject>;
  /** Object id by the normalised URL it is to be had from. */
  readonly places: ReadonlyMap<string, string>;
}

/** Bytes that are no batch question or answer. */
export class LfsFormatError extends Error {
  override readonly name = 'LfsFormatError';
}

/**
 * Reads the body of `POST …/info/lfs/objects/batch`. Only members of the protocol are let pass, so that nothing else travels in them.
 * @throws LfsFormatError
 * @see git-lfs docs/api/batch.md
 */
export function parseLfsQuestion(body: Uint8Array): LfsQuestion {
  const question = record(parseJson(body), 'the question');
  allowOnly(question, ['operation', 'transfers', 'ref', 'objects', 'hash_algo']);
  const { operation, transfers = ['basic'], hash_algo: hash = 'sha256' } = question;
  if (operation === 'upload') return { kind: 'refused', reason: 'a build fetches, it does not push (git lfs upload)' };
  if (operation !== 'download') throw new LfsFormatError(`has the operation ${show(operation)}`);
  if (hash !== 'sha256') throw new LfsFormatError(`names objects by ${show(hash)}, expected sha256`);
  if (!Array.isArray(transfers) || !transfers.includes('basic')) {
    return { kind: 'refused', reason: 'the client does not take the basic transfer, the only one that is verified' };
  }
  if (question.ref !== undefined) {
    const ref = record(question.ref, 'its ref');
    allowOnly(ref, ['name']);
    if (typeof ref.name !== 'string' || ref.name.length > 1024) throw new LfsFormatError('names a ref that is none');
  }
  return { kind: 'download', objects: readObjects(question.objects, true).map(({ object }) => object) };
}

/**
 * Reads an answer, which must be about objects that were asked for.
 * @throws LfsFormatError
 */
export function parseLfsAnswer(body: Uint8Array, asked?: readonly LfsObject[]): LfsBatch & { readonly failed: number } {
  if (body.length > maxAnswerBytes) throw new LfsFormatError(`has more than ${maxAnswerBytes} bytes`);
  const answer = record(parseJson(body), 'the answer');
  const { transfer = 'basic', hash_algo: hash = 'sha256' } = answer;
  if (transfer !== 'basic') throw new LfsFormatError(`chooses the transfer ${show(transfer)}, expected basic`);
  if (hash !== 'sha256') throw new LfsFormatError(`names objects by ${show(hash)}, expected sha256`);
  const wanted = asked && new Map(asked.map(({ oid, size }) => [oid, size]));
  const objects = new Map<string, LfsObject>();
  const places = new Map<string, string>();
  let failed = 0;
  for (const { object, entry } of readObjects(answer.objects, false)) {
    const { oid, size } = object;
    if (wanted && wanted.get(oid) !== size)
      throw new LfsFormatError(`tells of the object ${oid} of ${size} bytes, which was not asked for`);
    if (objects.has(oid)) throw new LfsFormatError(`tells of the object ${oid} twice`);
    const place = placeOf(entry);
    if (place === undefined) {
      failed += 1;
      continue;
    }
    const other = places.get(place);
    if (other !== undefined) throw new LfsFormatError(`puts ${other} and ${oid} at the same place`);
    objects.set(oid, object);
    places.set(place, oid);
  }
  return { objects, places, failed };
}

export const lfsBatchParser: CatalogParser<LfsBatch> = {
  kind: lfsBatchKind,
  async parse(bytes) {
    return parseLfsAnswer(await readAtMost(bytes, maxAnswerBytes, LfsFormatError));
  },
  weigh({ places }) {
    let weight = 500;
    for (const place of places.keys()) weight += 600 + 2 * place.length;
    return weight;
  },
};

/** Where an entry says that its object is; undefined for one that the server does not have. */
function placeOf(entry: Readonly<Record<string, unknown>>): string | undefined {
  if (entry.actions === undefined) return undefined;
  const { download } = record(entry.actions, 'its actions');
  if (download === undefined) return undefined;
  const { href } = record(download, 'its download');
  const url = typeof href === 'string' && href.length <= 8192 ? URL.parse(href) : null;
  if (!url || !/^https?:$/.test(url.protocol)) throw new LfsFormatError(`has a download at ${show(href)}`);
  url.hash = '';
  url.username = '';
  url.password = '';
  return normalizeUrl(url);
}

function readObjects(list: unknown, isStrict: boolean) {
  if (!Array.isArray(list)) throw new LfsFormatError('has no list of objects');
  if (list.length > maxObjects) throw new LfsFormatError(`has more than ${maxObjects} objects`);
  return list.map((item) => {
    const entry = record(item, 'one of its objects');
    if (isStrict) allowOnly(entry, ['oid', 'size']);
    const { oid, size } = entry;
    if (typeof oid !== 'string' || !/^[0-9a-f]{64}$/.test(oid)) throw new LfsFormatError(`has the object ${show(oid)}`);
    if (!Number.isSafeInteger(size) || (size as number) < 0)
      throw new LfsFormatError(`has the object ${oid} with the size ${show(size)}`);
    return { object: { oid, size: size as number }, entry };
  });
}

function parseJson(body: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(body));
  } catch {
    throw new LfsFormatError('is not JSON');
  }
}

/** Its own members only: JSON may name `__proto__`. */
function record(value: unknown, what: string): Readonly<Record<string, unknown>> {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new LfsFormatError(`is not what it should be: ${what} is no object`);
  return Object.assign(Object.create(null), value);
}

function allowOnly(value: Readonly<Record<string, unknown>>, members: readonly string[]): void {
  const stranger = Object.keys(value).find((key) => !members.includes(key));
  if (stranger !== undefined)
    throw new LfsFormatError(`has the member ${show(stranger)}, which the protocol does not have`);
}

function show(value: unknown): string {
  return (JSON.stringify(value) ?? 'nothing').slice(0, 200);
}
