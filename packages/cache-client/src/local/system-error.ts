import { CacheClientError } from '../errors.js';

/** The system's error code (`ENOENT`, …), or undefined. */
export function systemCode(error: unknown): string | undefined {
  const code = (error as { code?: unknown } | undefined)?.code;
  return typeof code === 'string' ? code : undefined;
}

/** undefined for what is not there; everything else is thrown. */
export async function ifThere<T>(work: Promise<T>): Promise<T | undefined> {
  try {
    return await work;
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return undefined;
    throw error;
  }
}

/** Translates what the file system says; errors that are ours already pass unchanged. */
export function localError(error: unknown, doing: string): CacheClientError {
  if (error instanceof CacheClientError) return error;
  const code = systemCode(error) ?? (error instanceof Error ? error.message : String(error));
  const hint =
    code === 'ENOSPC' || code === 'EDQUOT'
      ? 'free space, or give the local cache a smaller quota'
      : 'check owner and rights of the directory, or choose another one';
  return new CacheClientError('CACHE_LOCAL_FAILED', `cannot ${doing}: ${code}`, { hint, cause: error });
}
