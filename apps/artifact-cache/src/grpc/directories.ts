import { type DescMessage, fromBinary, type MessageShape } from '@bufbuild/protobuf';
import type { CacheBlob, CacheNamespace } from '@waybill/cache-store';
import {
  type Directory,
  DirectorySchema,
  TreeSchema,
} from '../gen/build/bazel/remote/execution/v2/remote_execution_pb.js';
import { ActionResultError, type ActionResultReader, toBlob } from '../remote-execution/action-result.js';
import { mapInOrder } from './in-order.js';

/** Bounds of one tree; no build has such, and each keeps a hostile one from costing more than it sent. */
export const treeLimits = {
  directories: 200_000,
  blobs: 500_000,
  depth: 500,
  /** Bytes of one directory. */
  directoryBytes: 16 * 1024 ** 2,
  /** Bytes of one `Tree`, which holds all directories. */
  treeBytes: 64 * 1024 ** 2,
};

/** A directory and the blob it was read from. */
export interface FoundDirectory {
  readonly blob: CacheBlob;
  readonly directory: Directory;
}

/** How a walk treats what it meets. */
export interface WalkOptions {
  /** What to do about a directory that is not in the namespace. */
  readonly missing: 'skip' | 'fail';
  readonly limits?: typeof treeLimits;
}

/**
 * All directories below `root`, it first, level by level, each once: since names are hashes there are no cycles, and a diamond of
 * 2^100 paths is 100 directories.
 * @throws ActionResultError `missing` or `invalid`
 */
export async function* walkDirectories(
  space: CacheNamespace,
  root: CacheBlob,
  { missing, limits = treeLimits }: WalkOptions,
): AsyncGenerator<FoundDirectory> {
  const seen = new Set([root.sha256]);
  let level = [root];
  for (let depth = 0; level.length > 0; depth++) {
    if (depth >= limits.depth) throw tooMuch(`more than ${limits.depth} levels of directories`);
    const below: CacheBlob[] = [];
    // In slices, so that a level of many directories is never in memory as a whole.
    for (let at = 0; at < level.length; at += 64) {
      const slice = level.slice(at, at + 64);
      const found = await mapInOrder(slice, 16, (blob) => readDirectory(space, blob, limits.directoryBytes));
      for (const [index, directory] of found.entries()) {
        const blob = slice[index] as CacheBlob;
        if (!directory) {
          if (missing === 'skip') continue;
          throw new ActionResultError('missing', `the directory ${blob.sha256} of ${blob.size} bytes is not here`);
        }
        yield { blob, directory };
        for (const child of directoriesOf(directory)) {
          if (seen.has(child.sha256)) continue;
          if (seen.size >= limits.directories) throw tooMuch(`more than ${limits.directories} directories`);
          seen.add(child.sha256);
          below.push(child);
        }
      }
    }
    level = below;
  }
}

/**
 * Every blob of a tree: its directories, `root` among them, and their files, each once.
 * @throws ActionResultError
 */
export async function treeBlobs(
  space: CacheNamespace,
  root: CacheBlob,
  limits = treeLimits,
): Promise<readonly CacheBlob[]> {
  const blobs = new Map<string, CacheBlob>();
  const add = (blob: CacheBlob) => {
    const known = blobs.get(blob.sha256);
    if (known && known.size !== blob.size) throw invalid(`${blob.sha256} has ${known.size} and ${blob.size} bytes`);
    if (!known && blobs.size >= limits.blobs) throw tooMuch(`more than ${limits.blobs} blobs`);
    blobs.set(blob.sha256, blob);
  };
  for await (const { blob, directory } of walkDirectories(space, root, { missing: 'fail', limits })) {
    add(blob);
    checkNames(directory);
    for (const file of directory.files) add(toBlob(file.digest, `file ${JSON.stringify(file.name.slice(0, 120))}`));
  }
  return [...blobs.values()];
}

/** Reads what action results point to. */
export function createActionResultReader(space: CacheNamespace): ActionResultReader {
  return {
    readTree: (blob) => readMessage(space, TreeSchema, blob, treeLimits.treeBytes),
    readDirectory: (blob) => readDirectory(space, blob, treeLimits.directoryBytes),
  };
}

function readDirectory(space: CacheNamespace, blob: CacheBlob, atMost: number): Promise<Directory | undefined> {
  return readMessage(space, DirectorySchema, blob, atMost);
}

async function readMessage<Schema extends DescMessage>(
  space: CacheNamespace,
  schema: Schema,
  blob: CacheBlob,
  atMost: number,
): Promise<MessageShape<Schema> | undefined> {
  if (blob.size > atMost) throw tooMuch(`a ${schema.name} of ${blob.size} bytes, at most ${atMost} are read`);
  const bytes = await space.read(blob, atMost);
  if (!bytes) return undefined;
  try {
    return fromBinary(schema, bytes);
  } catch (cause) {
    throw invalid(`${blob.sha256} is no ${schema.name}: ${(cause as Error).message}`);
  }
}

function directoriesOf(directory: Directory): readonly CacheBlob[] {
  return directory.directories.map(({ name, digest }) =>
    toBlob(digest, `directory ${JSON.stringify(name.slice(0, 120))}`),
  );
}

/** A name is one step down: what leads elsewhere would be written there by a client that trusts us. */
function checkNames({ files, directories, symlinks }: Directory): void {
  for (const { name } of [...files, ...directories, ...symlinks]) {
    if (name !== '' && name !== '.' && name !== '..' && !/[/\0]/.test(name)) continue;
    throw invalid(`${JSON.stringify(name.slice(0, 120))} is no name in a directory`);
  }
}

function invalid(message: string): ActionResultError {
  return new ActionResultError('invalid', message);
}

function tooMuch(message: string): ActionResultError {
  return invalid(`the tree is too large: ${message}`);
}
