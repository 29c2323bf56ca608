import { Code, ConnectError, type ServiceImpl } from '@connectrpc/connect';
import type { ReferenceStorage } from '../gen/buildstream/v2/reference_storage_pb.js';
import type { Serving } from '../serving/serving.js';
import { callerOf, enter, namespaceOf } from './calls.js';
import { invalid, readDigest, toDigest } from './digest.js';
import { treeBlobs } from './directories.js';

const maxKeys = 64;

/** Names of directories as BuildStream 1.2 to 1.5 ask for them. They keep their tree as assets do. */
export function createReferenceStorage(serving: Serving): ServiceImpl<typeof ReferenceStorage> {
  return {
    async getReference({ instanceName, key }, context) {
      const { space } = await enter(serving, context, { instance: instanceName, right: 'read' });
      if (key === '') throw invalid('an empty key');
      const entry = await space.lookup('reference', [key]);
      if (!entry) {
        serving.metrics.miss('reference', space.name);
        throw new ConnectError('there is no such reference', Code.NotFound);
      }
      serving.metrics.hit('reference', space.name);
      return { digest: toDigest(entry.value) };
    },

    async updateReference({ instanceName, keys, digest }, context) {
      const { space, writer } = await enter(serving, context, { instance: instanceName, right: 'write' });
      if (keys.length === 0 || keys.length > maxKeys) throw invalid(`${keys.length} keys, 1 to ${maxKeys} are taken`);
      const value = readDigest(digest, 'the reference');
      const references = (await treeBlobs(space, value)).filter(({ sha256 }) => sha256 !== value.sha256);
      const publication = { kind: 'reference', keys: [...new Set(keys)], value, references } as const;
      if ((await space.publish(publication, writer)) === 'exists') {
        throw new ConnectError('one of the keys has another value, which may not be replaced here', Code.AlreadyExists);
      }
      return {};
    },

    async status({ instanceName }, context) {
      const caller = await callerOf(serving, context);
      return { allowUpdates: serving.may(caller, namespaceOf(instanceName), 'write') };
    },
  };
}
