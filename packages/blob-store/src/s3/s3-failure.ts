import { BlobStoreError } from '../errors.js';

/** What went wrong with one request. */
export class S3Failure extends Error {
  /** HTTP status; 0 when there was no answer. */
  readonly status: number;
  /** S3's code (`NoSuchKey`, `SlowDown`, …), the system's (`ECONNREFUSED`), or empty. */
  readonly code: string;

  constructor(message: string, facts: { readonly status: number; readonly code: string; readonly cause?: unknown }) {
    super(message, { cause: facts.cause });
    this.status = facts.status;
    this.code = facts.code;
  }

  /** Whether the same request may well succeed a little later. */
  get isPassing(): boolean {
    if (this.status === 0) return this.code !== 'ENOTFOUND' && this.code !== 'ERR_INVALID_URL';
    return this.status >= 500 || this.status === 429 || passingCodes.has(this.code);
  }

  /** Whether there is no such object. Servers say 404 of a missing bucket or account, too: that is a failure. */
  get isMissing(): boolean {
    return this.status === 404 && missingCodes.has(this.code);
  }
}

/** An answer to HEAD has no code, or the SDK's. */
const missingCodes = new Set(['', 'NoSuchKey', 'NotFound', 'NoSuchUpload']);

/** Answers with a 4xx status that say nothing of the request itself. */
const passingCodes = new Set([
  'RequestTimeout',
  'SlowDown',
  'OperationAborted',
  'IncompleteBody',
  'BadDigest',
  'InvalidPart',
  'XAmzContentSHA256Mismatch',
]);

const fullCodes = new Set(['QuotaExceeded', 'ServiceQuotaExceeded', 'XMinioStorageFull', 'InsufficientCapacity']);

const hints: readonly (readonly [RegExp, string])[] = [
  [/^NoSuchBucket$/, 'create the bucket, or correct its name'],
  [
    /^(AccessDenied|InvalidAccessKeyId|SignatureDoesNotMatch|ExpiredToken|InvalidToken|CredentialsProviderError)$|^40[13]$/i,
    'check the credentials (environment, shared credentials file, instance role) and their rights on the bucket',
  ],
  [
    /^(PermanentRedirect|AuthorizationHeaderMalformed|IllegalLocationConstraintException|301)$/,
    'set the region of the bucket',
  ],
  [/^RequestTimeTooSkewed$/, "set this machine's clock"],
  [/^(ECONNREFUSED|ENOTFOUND|EHOSTUNREACH|ENETUNREACH|EAI_AGAIN)$/, 'check the endpoint and the way to it'],
  [/CERT|SELF_SIGNED|UNABLE_TO|ERR_TLS/, "name the endpoint's CA in NODE_EXTRA_CA_CERTS"],
];

/**
 * What a caller of the store is told.
 * @param doing what was attempted, to complete "cannot …".
 */
export function s3Error(error: unknown, doing: string, place: string): BlobStoreError {
  if (error instanceof BlobStoreError) return error;
  const failure = toFailure(error);
  const what = [failure.status || '', failure.code, failure.message].filter(Boolean).join(' ');
  if (failure.status === 507 || fullCodes.has(failure.code)) {
    return new BlobStoreError('BLOB_STORAGE_FULL', `cannot ${doing} ${place}: no space left (${what})`, {
      hint: 'free space or raise the quota of the bucket',
      cause: error,
    });
  }
  const names = [failure.code, String(failure.status)];
  const fallback = failure.isPassing
    ? 'see whether the S3 service is well; what was not stored is tried again'
    : undefined;
  const hint = names.map((name) => hints.find(([pattern]) => pattern.test(name))?.[1]).find(Boolean) ?? fallback;
  return new BlobStoreError('BLOB_STORAGE_FAILED', `cannot ${doing} ${place}: ${what}`, {
    ...(hint !== undefined && { hint }),
    cause: error,
  });
}

/** Whatever was thrown, as a failure of a request. */
export function toFailure(error: unknown): S3Failure {
  if (error instanceof S3Failure) return error;
  const { name, code, message, $metadata } = error as {
    name?: unknown;
    code?: unknown;
    message?: unknown;
    $metadata?: { httpStatusCode?: number };
  };
  const text = typeof message === 'string' ? message : String(error);
  const known = typeof code === 'string' ? code : typeof name === 'string' && name !== 'Error' ? name : '';
  return new S3Failure(text.slice(0, 300), { status: $metadata?.httpStatusCode ?? 0, code: known, cause: error });
}
