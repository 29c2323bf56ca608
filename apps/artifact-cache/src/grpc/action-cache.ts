import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { Code, ConnectError, type ServiceImpl } from '@connectrpc/connect';
import type { CacheNamespace } from '@waybill/cache-store';
import {
  type ActionCache,
  type ActionResult,
  ActionResultSchema,
  type GetActionResultRequest,
} from '../gen/build/bazel/remote/execution/v2/remote_execution_pb.js';
import { storeActionResult } from '../remote-execution/store-action-result.js';
import type { Serving } from '../serving/serving.js';
import { enter } from './calls.js';
import { checkDigestFunction, invalid, readDigest } from './digest.js';

/** Bytes of one result in binary; its answer has to fit a message of 4 MiB with what is inlined. */
const maxResultBytes = 3 * 1024 ** 2;

/**
 * Results of actions by the hash of the action, which `/ac` of the HTTP protocol uses as well. The action itself need not be here
 * nor be one: moon keeps a manifest under its digest.
 */
export function createActionCache(serving: Serving): ServiceImpl<typeof ActionCache> {
  return {
    async getActionResult(request, context) {
      const { space } = await enter(serving, context, { instance: request.instanceName, right: 'read' });
      checkDigestFunction(request.digestFunction);
      const action = readDigest(request.actionDigest, 'the action');
      const result = await findResult(space, action.sha256);
      if (!result) {
        serving.metrics.miss('reapi', space.name);
        throw new ConnectError(`no result of action ${action.sha256}`, Code.NotFound);
      }
      serving.metrics.hit('reapi', space.name);
      return await withInlined(space, result, request);
    },

    async updateActionResult(request, context) {
      const { space, writer } = await enter(serving, context, { instance: request.instanceName, right: 'write' });
      checkDigestFunction(request.digestFunction);
      const action = readDigest(request.actionDigest, 'the action');
      const result = request.actionResult;
      if (!result) throw invalid('an update without a result');
      const bytes = toBinary(ActionResultSchema, result);
      if (bytes.length === 0) throw invalid('an empty result');
      if (bytes.length > maxResultBytes) {
        throw invalid(`a result of ${bytes.length} bytes, at most ${maxResultBytes} are kept`);
      }
      const outcome = await storeActionResult({ namespace: space, hash: action.sha256, result, bytes, writer });
      if (outcome === 'exists') {
        throw new ConnectError(`action ${action.sha256} has another result already`, Code.AlreadyExists);
      }
      return result;
    },
  };
}

/** A record that cannot be read is a miss: the client builds and says it anew. */
async function findResult(space: CacheNamespace, key: string): Promise<ActionResult | undefined> {
  const entry = await space.lookup('action', [key]);
  const bytes = entry && (await space.read(entry.value, maxResultBytes));
  if (!bytes) return undefined;
  try {
    return fromBinary(ActionResultSchema, bytes);
  } catch {
    return undefined;
  }
}

/** Puts the contents in that the client asks for, while they fit. */
async function withInlined(
  space: CacheNamespace,
  result: ActionResult,
  asked: GetActionResultRequest,
): Promise<ActionResult> {
  let room = maxResultBytes - toBinary(ActionResultSchema, result).length;
  const contentsOf = async (digest: ActionResult['stdoutDigest']): Promise<Uint8Array> => {
    if (!digest || digest.sizeBytes <= 0n || digest.sizeBytes > BigInt(room)) return new Uint8Array();
    const bytes = (await space.read(readDigest(digest), room)) ?? new Uint8Array();
    room -= bytes.length;
    return bytes;
  };
  const filled = create(ActionResultSchema, result);
  if (asked.inlineStdout && result.stdoutRaw.length === 0) filled.stdoutRaw = await contentsOf(result.stdoutDigest);
  if (asked.inlineStderr && result.stderrRaw.length === 0) filled.stderrRaw = await contentsOf(result.stderrDigest);
  const paths = new Set(asked.inlineOutputFiles);
  for (const file of filled.outputFiles) {
    if (paths.has(file.path) && file.contents.length === 0) file.contents = await contentsOf(file.digest);
  }
  return filled;
}
