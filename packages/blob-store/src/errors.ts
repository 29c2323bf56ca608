import { WaybillError } from '@waybill/contracts';

/** Codes of {@link BlobStoreError}. */
export type BlobStoreErrorCode =
  | 'BLOB_NOT_FOUND'
  | 'BLOB_CORRUPT'
  | 'BLOB_STORAGE_FULL'
  | 'BLOB_STORAGE_FAILED'
  | 'BLOB_RANGE_INVALID'
  | 'BLOB_LOCKED'
  | 'BLOB_CLOSED'
  | 'BLOB_URL_INVALID';

/** Anything a blob store cannot do. */
export class BlobStoreError extends WaybillError<BlobStoreErrorCode> {}

const fullCodes = new Set(['ENOSPC', 'EDQUOT', 'EFBIG']);
const deniedCodes = new Set(['EACCES', 'EPERM', 'EROFS']);

/** The system's error code (`ENOENT`, …), or undefined. */
export function systemCode(error: unknown): string | undefined {
  const code = (error as { code?: unknown } | undefined)?.code;
  return typeof code === 'string' ? code : undefined;
}

/**
 * Translates what the file system says. Errors that are ours already pass unchanged.
 * @param doing what was attempted, to complete "cannot …".
 */
export function storageError(error: unknown, doing: string, path: string): BlobStoreError {
  if (error instanceof BlobStoreError) return error;
  const code = systemCode(error) ?? (error instanceof Error ? error.message : String(error));
  if (fullCodes.has(code)) {
    return new BlobStoreError('BLOB_STORAGE_FULL', `cannot ${doing} ${path}: no space left (${code})`, {
      hint: 'free space or raise the quota on this file system, or move the blob directory to a larger one',
      cause: error,
    });
  }
  const hint = deniedCodes.has(code)
    ? 'let the user of this process own the directory and write to it, or choose another directory'
    : code === 'ENOTDIR' || code === 'EEXIST'
      ? 'a file is in the way of the directory: remove it or choose another directory'
      : code === 'EMFILE' || code === 'ENFILE'
        ? 'raise the limit of open files (ulimit -n)'
        : undefined;
  return new BlobStoreError('BLOB_STORAGE_FAILED', `cannot ${doing} ${path}: ${code}`, {
    ...(hint ? { hint } : {}),
    cause: error,
  });
}

export function closedError(): BlobStoreError {
  return new BlobStoreError('BLOB_CLOSED', 'the blob store is closed');
}

export function notFoundError(name: string): BlobStoreError {
  return new BlobStoreError('BLOB_NOT_FOUND', `no blob ${JSON.stringify(name.slice(0, 80))} in this store`);
}

export function corruptError(name: string, found: string): BlobStoreError {
  return new BlobStoreError('BLOB_CORRUPT', `blob ${name} is damaged: ${found}`, {
    hint: 'check where it is kept; storing the same bytes again repairs this blob',
  });
}
