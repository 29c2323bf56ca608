import { fileURLToPath } from 'node:url';
import type { BlobStore, Clock, Logger } from '@waybill/contracts';
import { BlobStoreError } from './errors.js';
import { createFileBlobStore, type FileBlobStoreOptions } from './file/create-file-blob-store.js';
import { createS3BlobStore } from './s3/create-s3-blob-store.js';
import type { S3BlobStoreOptions } from './s3/s3-options.js';

/** Which store to open; what the program decides rather than its user. */
export interface OpenBlobStoreOptions {
  /**
   * `file:/var/lib/waybill/blobs`, or `s3://bucket/prefix?endpoint=https://s3.example&region=…&path-style=true&cache-dir=…`.
   * Further parameters carry the names of the drivers' options: `small-bytes`, `segment-bytes`, `hash-threads` (file); `cache-bytes`,
   * `part-bytes`, `connections`, `timeout-ms`, `give-up-after-ms`, `use-lag-ms`, `grace-ms`, `stale-upload-ms`, `usage-max-age-ms` (S3).
   * Credentials never stand here: S3's come from where the AWS SDK finds them (`AWS_ACCESS_KEY_ID` …).
   */
  readonly url: string;
  /** Part of the local directory that this process writes, see `createFileBlobStore`. Default: 0, with S3 `auto`. */
  readonly slot?: number | 'auto';
  /** Local directory of an S3 store whose URL names none. */
  readonly cacheDir?: string;
  readonly clock?: Clock;
  readonly logger?: Logger;
}

const fileNumbers = ['small-bytes', 'segment-bytes', 'hash-threads'] as const;
const s3Numbers = [
  'cache-bytes',
  'small-bytes',
  'part-bytes',
  'connections',
  'timeout-ms',
  'give-up-after-ms',
  'use-lag-ms',
  'grace-ms',
  'stale-upload-ms',
  'usage-max-age-ms',
] as const;
const s3Texts = ['endpoint', 'region', 'path-style', 'cache-dir'] as const;

/**
 * Opens the store that a URL names.
 * @throws BlobStoreError BLOB_URL_INVALID, BLOB_LOCKED, BLOB_STORAGE_FAILED, BLOB_STORAGE_FULL
 */
export async function openBlobStore(options: OpenBlobStoreOptions): Promise<BlobStore> {
  const parsed = parseBlobStoreUrl(options.url);
  const { slot, clock, logger } = options;
  const shared = { ...(clock && { clock }), ...(logger && { logger }), ...(slot !== undefined && { slot }) };
  if (parsed.kind === 'file') return await createFileBlobStore({ ...parsed.options, ...shared });
  const cacheDir = parsed.options.cacheDir ?? options.cacheDir;
  if (cacheDir === undefined)
    throw invalid('it names no cache-dir', 'a local directory, e.g. …?cache-dir=/var/cache/waybill');
  return await createS3BlobStore({ ...parsed.options, ...shared, cacheDir });
}

/** What a URL says. */
export type BlobStoreUrl =
  | { readonly kind: 'file'; readonly options: FileBlobStoreOptions }
  | { readonly kind: 's3'; readonly options: Omit<S3BlobStoreOptions, 'cacheDir'> & { readonly cacheDir?: string } };

/**
 * Reads a URL without opening anything, e.g. to check a configuration.
 * @throws BlobStoreError BLOB_URL_INVALID; its text repeats no credentials
 */
export function parseBlobStoreUrl(text: string): BlobStoreUrl {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (!url) throw invalid('it is no URL', 'file:/path or s3://bucket/prefix');
  if (url.username || url.password)
    throw invalid('it holds credentials', 'these in AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY');
  if (url.hash) throw invalid('it has a fragment', 'none');
  if (url.protocol === 'file:') return parseFile(url);
  if (url.protocol === 's3:') return parseS3(url);
  throw invalid(`its scheme is ${url.protocol.slice(0, 20)}`, 'file: or s3:');
}

function parseFile(url: URL): BlobStoreUrl {
  const values = readParameters(url, { numbers: fileNumbers, texts: [] });
  if (url.host) throw invalid(`it names the host ${url.host}`, 'a path on this machine: file:/path');
  const path = new URL(url);
  path.search = '';
  return { kind: 'file', options: { dir: fileURLToPath(path), ...camelCased(values.numbers) } };
}

function parseS3(url: URL): BlobStoreUrl {
  const { numbers, texts } = readParameters(url, { numbers: s3Numbers, texts: s3Texts });
  const { endpoint, region } = texts;
  const pathStyle = texts['path-style'];
  const cacheDir = texts['cache-dir'];
  if (!url.host || url.port) throw invalid('it names no bucket', 's3://bucket/prefix');
  if (pathStyle !== undefined && pathStyle !== 'true' && pathStyle !== 'false') {
    throw invalid(`path-style is ${JSON.stringify(pathStyle.slice(0, 20))}`, 'true or false');
  }
  return {
    kind: 's3',
    options: {
      bucket: url.host,
      prefix: decodeURIComponent(url.pathname.slice(1)),
      ...(endpoint !== undefined && { endpoint }),
      ...(region !== undefined && { region }),
      ...(pathStyle !== undefined && { forcePathStyle: pathStyle === 'true' }),
      ...(cacheDir !== undefined && { cacheDir }),
      ...camelCased(numbers),
    },
  };
}

interface Parameters {
  readonly numbers: Readonly<Record<string, number>>;
  readonly texts: Readonly<Record<string, string>>;
}

function readParameters(
  { searchParams }: URL,
  known: { readonly numbers: readonly string[]; readonly texts: readonly string[] },
): Parameters {
  const numbers: Record<string, number> = {};
  const texts: Record<string, string> = {};
  for (const [name, value] of searchParams) {
    if (name in numbers || name in texts) throw invalid(`it names ${name} twice`, 'once');
    if (known.texts.includes(name)) texts[name] = value;
    else if (!known.numbers.includes(name)) {
      throw invalid(
        `it has the parameter ${JSON.stringify(name.slice(0, 40))}`,
        [...known.texts, ...known.numbers].join(', '),
      );
    } else if (!/^\d{1,15}$/.test(value)) {
      throw invalid(`${name} is ${JSON.stringify(value.slice(0, 20))}`, 'a number');
    } else numbers[name] = Number(value);
  }
  return { numbers, texts };
}

function camelCased(values: Readonly<Record<string, number>>): Record<string, number> {
  const entries = Object.entries(values);
  return Object.fromEntries(
    entries.map(([name, value]) => [name.replace(/-([a-z])/g, (_, c: string) => c.toUpperCase()), value]),
  );
}

function invalid(found: string, wanted: string): BlobStoreError {
  return new BlobStoreError('BLOB_URL_INVALID', `the blob store's URL does not do: ${found}, wanted ${wanted}`);
}
