import type { ServiceImpl } from '@connectrpc/connect';
import {
  type Capabilities,
  Compressor_Value,
  DigestFunction_Value,
  SymlinkAbsolutePathStrategy_Value,
} from '../gen/build/bazel/remote/execution/v2/remote_execution_pb.js';
import type { Serving } from '../serving/serving.js';
import { callerOf, namespaceOf } from './calls.js';

/** Most bytes of blobs in one batch, either way: a message of gRPC's default limit of 4 MiB with room for the rest of it. */
export const maxBatchBytes = 4 * 1024 ** 2 - 64 * 1024;

/**
 * What is spoken here, for this caller: the first call of every client, so it answers callers without credentials as well. Who may
 * read learns here already when there is no such instance.
 */
export function createCapabilities(serving: Serving): ServiceImpl<typeof Capabilities> {
  return {
    async getCapabilities({ instanceName }, context) {
      const caller = await callerOf(serving, context);
      const name = namespaceOf(instanceName);
      const mayRead = serving.may(caller, name, 'read');
      const rules = mayRead ? serving.store.namespace(name).rules : {};
      const isWriter = serving.may(caller, name, 'write') && !rules.readOnly;
      const maxBlobBytes = Math.min(serving.limits.maxBlobBytes, rules.maxBlobBytes ?? Number.POSITIVE_INFINITY);
      return {
        cacheCapabilities: {
          digestFunctions: [DigestFunction_Value.SHA256],
          actionCacheUpdateCapabilities: { updateEnabled: isWriter },
          cachePriorityCapabilities: { priorities: [{ minPriority: 0, maxPriority: 0 }] },
          maxBatchTotalSizeBytes: BigInt(maxBatchBytes),
          symlinkAbsolutePathStrategy: SymlinkAbsolutePathStrategy_Value.ALLOWED,
          supportedCompressors: [Compressor_Value.ZSTD],
          supportedBatchUpdateCompressors: [Compressor_Value.ZSTD],
          maxCasBlobSizeBytes: Number.isFinite(maxBlobBytes) ? BigInt(maxBlobBytes) : 0n,
        },
        deprecatedApiVersion: { major: 2, minor: 0 },
        lowApiVersion: { major: 2, minor: 0 },
        highApiVersion: { major: 2, minor: 3 },
      };
    },
  };
}
