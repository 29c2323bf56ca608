import { Code, ConnectError } from '@connectrpc/connect';
import type { CacheBlob } from '@waybill/cache-store';
import { DigestFunction_Value } from '../gen/build/bazel/remote/execution/v2/remote_execution_pb.js';
import { ActionResultError, type DigestShape, toBlob } from '../remote-execution/action-result.js';

/**
 * A digest of a request as the store knows it.
 * @throws ConnectError InvalidArgument for one that is missing, not sha256 in lower-case hex, or of an impossible size
 */
export function readDigest(digest: DigestShape | undefined, what = 'the request'): CacheBlob {
  try {
    return toBlob(digest, what);
  } catch (cause) {
    if (cause instanceof ActionResultError) throw invalid(cause.message);
    throw cause;
  }
}

/** The digest of a blob for an answer. */
export function toDigest({ sha256, size }: CacheBlob): { hash: string; sizeBytes: bigint } {
  return { hash: sha256, sizeBytes: BigInt(size) };
}

/**
 * Clients of API 2.2 and older name no function; theirs is told by the length of the hash.
 * @throws ConnectError InvalidArgument for all but sha256
 */
export function checkDigestFunction(used: DigestFunction_Value): void {
  if (used === DigestFunction_Value.UNKNOWN || used === DigestFunction_Value.SHA256) return;
  throw invalid(`digest function ${used} is not spoken here, only SHA256 (1)`);
}

/** What the caller has to put right before another try. */
export function invalid(message: string): ConnectError {
  return new ConnectError(message, Code.InvalidArgument);
}
