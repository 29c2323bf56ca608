import type { Clock, Logger } from '@waybill/contracts';
import { BlobStoreError } from '../errors.js';

/** Keys of an account, perhaps for a time. */
export interface S3Credentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken?: string;
}

/** Where blobs are kept, and how they get there. */
export interface S3BlobStoreOptions {
  readonly bucket: string;
  /** What all keys start with, e.g. `waybill/spool/`. Letters, digits and `-._/`. Default: nothing. */
  readonly prefix?: string;
  /** URL of the service; default: Amazon's for the region. */
  readonly endpoint?: string;
  /** Default: as the AWS SDK finds it (`AWS_REGION`, shared configuration file); `us-east-1` with an endpoint of one's own. */
  readonly region?: string;
  /** Whether the bucket is named in the path instead of the host. Default: with an endpoint of one's own. */
  readonly forcePathStyle?: boolean;
  /** For tests. Default: as the AWS SDK finds them (environment, shared files, container and instance roles). */
  readonly credentials?: S3Credentials;
  /** Local directory: bodies lie here until they are in S3, and copies of what was read. Several processes may share it. */
  readonly cacheDir: string;
  /** About how much of {@link cacheDir} is used; more while uploads wait. Default 10 GiB. */
  readonly cacheBytes?: number;
  /** Part of the cache directory that this process writes, see `createFileBlobStore`. Default `auto`. */
  readonly slot?: number | 'auto';
  /** Bodies up to this many bytes wait for their upload in memory. Default 256 KiB. */
  readonly smallBytes?: number;
  /** Bodies above are uploaded in parts of this size. 5 MiB at least. Default 8 MiB. */
  readonly partBytes?: number;
  /** Requests under way at a time. Default 64. */
  readonly connections?: number;
  /** A request without a sign of life for so long has failed. Milliseconds, default 15 000. */
  readonly timeoutMs?: number;
  /** How long a request that fails in passing is repeated. Milliseconds, default 30 000. */
  readonly giveUpAfterMs?: number;
  /**
   * How long an upload is relied on without a new one. A blob's time of use lags behind by as much: a conditional delete
   * spares it for so long. Milliseconds, default one hour.
   */
  readonly useLagMs?: number;
  /** Time between the mark that a blob is to go and its removal by `compact()`, so that all processes know. Default 5 min. */
  readonly graceMs?: number;
  /** Unfinished uploads of this age are of nobody and removed by `compact()`. Default 24 h. */
  readonly staleUploadMs?: number;
  /** `usage()` lists the bucket anew when its last count is older than this. Default one hour. */
  readonly usageMaxAgeMs?: number;
  readonly clock?: Clock;
  readonly logger?: Logger;
}

/** The service and bucket. */
export interface S3Location {
  readonly bucket: string;
  readonly prefix: string;
  readonly endpoint: string | undefined;
  readonly region: string | undefined;
  readonly forcePathStyle: boolean;
  readonly credentials: S3Credentials | undefined;
}

/** @throws BlobStoreError BLOB_URL_INVALID */
export function locationOf(options: S3BlobStoreOptions): S3Location {
  const { bucket, prefix = '', endpoint, region, forcePathStyle, credentials } = options;
  if (!/^[a-z0-9][a-z0-9._-]{1,253}[a-z0-9]$/i.test(bucket))
    throw invalid('bucket', bucket, 'a name of 3 to 255 letters, digits and -._');
  if (
    !/^[A-Za-z0-9._/-]{0,512}$/.test(prefix) ||
    prefix.startsWith('/') ||
    prefix.split('/').some((part) => part === '.' || part === '..')
  ) {
    throw invalid('prefix', prefix, 'letters, digits and -._/, not starting with /');
  }
  return {
    bucket,
    prefix: prefix === '' || prefix.endsWith('/') ? prefix : `${prefix}/`,
    endpoint: endpoint === undefined ? undefined : endpointOf(endpoint),
    region: region ?? (endpoint === undefined ? undefined : (process.env.AWS_REGION ?? 'us-east-1')),
    forcePathStyle: forcePathStyle ?? endpoint !== undefined,
    credentials,
  };
}

/** For people: no credentials are in it. */
export function describeLocation({ bucket, prefix, endpoint }: S3Location): string {
  return `s3://${bucket}/${prefix}${endpoint === undefined ? '' : ` at ${endpoint}`}`;
}

function endpointOf(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  const isPlain = url && /^https?:$/.test(url.protocol) && url.search === '' && url.hash === '';
  if (!isPlain) throw invalid('endpoint', text.replace(/\/\/[^/]*@/, '//'), 'an http or https URL');
  if (url.username || url.password)
    throw invalid('endpoint', `${url.protocol}//…@${url.host}`, 'a URL without credentials');
  return url.href.replace(/\/$/, '');
}

function invalid(name: string, found: string, wanted: string): BlobStoreError {
  return new BlobStoreError('BLOB_URL_INVALID', `${name} is ${JSON.stringify(found.slice(0, 100))}, wanted ${wanted}`);
}
