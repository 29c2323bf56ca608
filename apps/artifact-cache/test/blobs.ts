import { createHash } from 'node:crypto';
import { create, toBinary } from '@bufbuild/protobuf';
import type { CacheBlob } from '@waybill/cache-store';
import { type Directory, DirectorySchema } from '../src/gen/build/bazel/remote/execution/v2/remote_execution_pb.js';

/** A blob with its bytes and names. */
export interface TestBlob {
  readonly bytes: Uint8Array;
  readonly digest: { readonly hash: string; readonly sizeBytes: bigint };
  readonly blob: CacheBlob;
}

export function blobOf(content: string | Uint8Array): TestBlob {
  const bytes = typeof content === 'string' ? Buffer.from(content) : content;
  const sha256 = createHash('sha256').update(bytes).digest('hex');
  return {
    bytes,
    digest: { hash: sha256, sizeBytes: BigInt(bytes.length) },
    blob: { sha256, size: bytes.length },
  };
}

/** Incompressible bytes that are the same in every run. */
export function noise(size: number, seed = 'noise'): Buffer {
  const parts: Buffer[] = [];
  for (let at = 0; at < size; at += 32) parts.push(createHash('sha256').update(`${seed}${at}`).digest());
  return Buffer.concat(parts).subarray(0, size);
}

/** A directory of files and directories by name. */
export function directoryOf(
  files: Readonly<Record<string, TestBlob>>,
  directories: Readonly<Record<string, TestBlob>> = {},
): TestBlob {
  const directory: Directory = create(DirectorySchema, {
    files: Object.entries(files).map(([name, { digest }]) => ({ name, digest })),
    directories: Object.entries(directories).map(([name, { digest }]) => ({ name, digest })),
  });
  return blobOf(toBinary(DirectorySchema, directory));
}
