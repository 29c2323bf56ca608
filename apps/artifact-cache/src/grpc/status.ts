import { Code, ConnectError } from '@connectrpc/connect';
import { CacheStoreError } from '@waybill/cache-store';
import { WaybillError } from '@waybill/contracts';
import { AccessError } from '../errors.js';
import { RetryInfoSchema } from '../gen/google/rpc/error_details_pb.js';
import { ActionResultError } from '../remote-execution/action-result.js';

/** Codes of our errors as gRPC knows them; a code that is not listed is our bug. docs/artifact-cache/protocols.md has the table. */
const codes: Readonly<Record<string, Code>> = {
  UNAUTHENTICATED: Code.Unauthenticated,
  FORBIDDEN: Code.PermissionDenied,
  CACHE_NAMESPACE_UNKNOWN: Code.NotFound,
  CACHE_NAMESPACE_INVALID: Code.InvalidArgument,
  CACHE_KEY_INVALID: Code.InvalidArgument,
  CACHE_BLOB_MISSING: Code.FailedPrecondition,
  CACHE_BLOB_MISMATCH: Code.InvalidArgument,
  CACHE_BLOB_TOO_LARGE: Code.InvalidArgument,
  CACHE_RANGE_INVALID: Code.OutOfRange,
  CACHE_FULL: Code.ResourceExhausted,
  CACHE_READ_ONLY: Code.PermissionDenied,
  CACHE_CLOSED: Code.Unavailable,
  // Damaged bytes were put aside: to a client they are gone, and it builds.
  BLOB_CORRUPT: Code.NotFound,
  BLOB_NOT_FOUND: Code.NotFound,
  BLOB_STORAGE_FULL: Code.ResourceExhausted,
  BLOB_STORAGE_FAILED: Code.Unavailable,
  BLOB_CLOSED: Code.Unavailable,
  STORE_UNAVAILABLE: Code.Unavailable,
  STORE_FULL: Code.ResourceExhausted,
  STORE_CLOSED: Code.Unavailable,
};

/** Seconds after which another try makes sense: eviction needs a moment, a restart less. */
const retryAfter: Partial<Record<Code, bigint>> = { [Code.ResourceExhausted]: 30n, [Code.Unavailable]: 2n };

/** Any thrown value as the status that a client gets; what is not ours is `Internal` and says nothing about the inside. */
export function toConnectError(cause: unknown): ConnectError {
  if (cause instanceof ConnectError) return cause;
  if (cause instanceof ActionResultError) {
    return new ConnectError(cause.message, cause.reason === 'missing' ? Code.FailedPrecondition : Code.InvalidArgument);
  }
  const code = cause instanceof WaybillError ? codes[cause.code] : undefined;
  if (code === undefined) return new ConnectError('the server failed; its log says more', Code.Internal, {}, [], cause);
  const error = new ConnectError(messageFor(cause as WaybillError), code, {}, [], cause);
  const seconds = retryAfter[code];
  if (seconds !== undefined)
    error.details.push({ desc: RetryInfoSchema, value: { retryDelay: { seconds, nanos: 0 } } });
  return error;
}

/** The stable code of what was refused, for metrics: a closed set. */
export function refusalCode(cause: unknown): string {
  if (cause instanceof WaybillError) return cause.code;
  return cause instanceof ConnectError ? Code[cause.code] : 'INTERNAL';
}

/** The same as a status inside an answer about many blobs. */
export function toStatus(cause: unknown): { code: number; message: string } {
  const { code, rawMessage } = toConnectError(cause);
  return { code, message: rawMessage };
}

/** Messages about access and the store are made for callers; those of storage and database name paths and hosts. */
function messageFor(cause: WaybillError): string {
  const isForCaller = cause instanceof AccessError || cause instanceof CacheStoreError;
  return isForCaller ? `${cause.code}: ${cause.message}` : `${cause.code}: storage of the server`;
}
