import { toBinary } from '@bufbuild/protobuf';
import { Code, ConnectError, type ServiceImpl } from '@connectrpc/connect';
import {
  type ContentAddressableStorage,
  type Directory,
  DirectorySchema,
} from '../gen/build/bazel/remote/execution/v2/remote_execution_pb.js';
import type { Serving } from '../serving/serving.js';
import { enter } from './calls.js';
import { checkDigestFunction, invalid, readDigest } from './digest.js';
import { walkDirectories } from './directories.js';

/** Bytes of directories after which a page ends. */
const pageBytes = 2 * 1024 ** 2;
const largestPage = 10_000;

/**
 * A tree as pages of directories, each directory once; sub-directories that are not here are left out. A page token is the number
 * of directories before: the order of a tree is that of its bytes.
 */
export function createGetTree(serving: Serving): ServiceImpl<typeof ContentAddressableStorage>['getTree'] {
  return async function* getTree(request, context) {
    const { space } = await enter(serving, context, { instance: request.instanceName, right: 'read' });
    checkDigestFunction(request.digestFunction);
    const root = readDigest(request.rootDigest, 'the root');
    const before = readToken(request.pageToken);
    const size = pageSizeOf(request.pageSize);
    let page: Directory[] = [];
    let bytes = 0;
    let seen = 0;
    for await (const { directory } of walkDirectories(space, root, { missing: 'skip' })) {
      seen += 1;
      if (seen <= before) continue;
      if (page.length >= size || bytes > pageBytes) {
        yield { directories: page, nextPageToken: String(seen - 1) };
        page = [];
        bytes = 0;
      }
      page.push(directory);
      bytes += toBinary(DirectorySchema, directory).length;
    }
    if (seen === 0) throw new ConnectError(`the root ${root.sha256} is not here`, Code.NotFound);
    yield { directories: page, nextPageToken: '' };
  };
}

function readToken(token: string): number {
  if (token === '') return 0;
  if (!/^[0-9]{1,9}$/.test(token)) throw invalid('the page token is none of ours');
  return Number(token);
}

function pageSizeOf(asked: number): number {
  if (asked < 0) throw invalid(`a page of ${asked} directories`);
  return asked === 0 ? largestPage : Math.min(asked, largestPage);
}
