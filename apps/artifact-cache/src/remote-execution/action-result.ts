import type { CacheBlob } from '@waybill/cache-store';

/** `Digest` of the Remote Execution API. Generated messages fit all shapes of this file. */
export interface DigestShape {
  readonly hash: string;
  readonly sizeBytes: bigint;
}

/** What of a `Directory` matters to completeness. */
export interface DirectoryShape {
  readonly files: readonly { readonly name: string; readonly digest?: DigestShape | undefined }[];
  readonly directories: readonly { readonly name: string; readonly digest?: DigestShape | undefined }[];
}

/** `Tree`: a directory with all that are below it. */
export interface TreeShape {
  readonly root?: DirectoryShape | undefined;
  readonly children: readonly DirectoryShape[];
}

/** What of an `ActionResult` matters to completeness. */
export interface ActionResultShape {
  readonly outputFiles: readonly {
    readonly path: string;
    readonly digest?: DigestShape | undefined;
    readonly contents: Uint8Array;
  }[];
  readonly outputDirectories: readonly {
    readonly path: string;
    readonly treeDigest?: DigestShape | undefined;
    readonly rootDirectoryDigest?: DigestShape | undefined;
  }[];
  readonly outputSymlinks?: readonly { readonly path: string; readonly target: string }[] | undefined;
  readonly outputFileSymlinks?: readonly { readonly path: string; readonly target: string }[] | undefined;
  readonly outputDirectorySymlinks?: readonly { readonly path: string; readonly target: string }[] | undefined;
  readonly stdoutRaw: Uint8Array;
  readonly stdoutDigest?: DigestShape | undefined;
  readonly stderrRaw: Uint8Array;
  readonly stderrDigest?: DigestShape | undefined;
  readonly exitCode: number;
}

/** Reads what an action result points to. */
export interface ActionResultReader {
  /** undefined: the namespace does not have it. Throws {@link ActionResultError} when its bytes are no Tree. */
  readTree(digest: CacheBlob): Promise<TreeShape | undefined>;
  /** The same for a single directory (`root_directory_digest`). */
  readDirectory(digest: CacheBlob): Promise<DirectoryShape | undefined>;
}

/**
 * What makes a message no action result: `invalid` is the sender's mistake, `missing` a blob that has to be uploaded before.
 * Edges translate it (400, INVALID_ARGUMENT, FAILED_PRECONDITION), so it carries no code of its own.
 */
export class ActionResultError extends Error {
  readonly reason: 'invalid' | 'missing';

  constructor(reason: 'invalid' | 'missing', message: string) {
    super(message);
    this.name = 'ActionResultError';
    this.reason = reason;
  }
}

/** Most blobs that one action result may need; directories of more files are not built by anybody. */
const mostReferences = 1_000_000;

/**
 * Checks an action result and lists every blob it needs, once each: files (also those whose contents are inlined), trees, all that
 * is in the trees, stdout and stderr. Whether the blobs are there is the store's question, but a tree has to be read for it.
 * @throws ActionResultError
 * @see https://github.com/bazelbuild/remote-apis, `ActionResult`
 */
export async function actionResultReferences(
  result: ActionResultShape,
  reader: ActionResultReader,
): Promise<readonly CacheBlob[]> {
  const found = new References();
  for (const file of result.outputFiles) {
    checkPath(file.path, 'output file');
    found.add(toBlob(file.digest, `output file ${quote(file.path)}`));
  }
  for (const link of [
    ...(result.outputSymlinks ?? []),
    ...(result.outputFileSymlinks ?? []),
    ...(result.outputDirectorySymlinks ?? []),
  ]) {
    checkPath(link.path, 'output symlink');
    if (link.target === '') throw invalid(`the output symlink ${quote(link.path)} has no target`);
  }
  for (const directory of result.outputDirectories) await addDirectory(directory, reader, found);
  if (result.stdoutDigest) found.add(toBlob(result.stdoutDigest, 'stdout'));
  if (result.stderrDigest) found.add(toBlob(result.stderrDigest, 'stderr'));
  return found.all();
}

/** Contents that came inlined together with their digest, to be stored like all others. Once each. */
export function inlinedContents(
  result: ActionResultShape,
): readonly { readonly blob: CacheBlob; readonly contents: Uint8Array }[] {
  const found = new Map<string, { readonly blob: CacheBlob; readonly contents: Uint8Array }>();
  const add = (digest: DigestShape | undefined, contents: Uint8Array, what: string) => {
    if (!digest || contents.length === 0) return;
    const blob = toBlob(digest, what);
    found.set(blob.sha256, { blob, contents });
  };
  for (const { digest, contents, path } of result.outputFiles) add(digest, contents, `output file ${quote(path)}`);
  add(result.stdoutDigest, result.stdoutRaw, 'stdout');
  add(result.stderrDigest, result.stderrRaw, 'stderr');
  return [...found.values()];
}

/**
 * A digest as the store knows it.
 * @throws ActionResultError
 */
export function toBlob(digest: DigestShape | undefined, what: string): CacheBlob {
  if (!digest) throw invalid(`${what} has no digest`);
  const { hash, sizeBytes } = digest;
  if (!/^[0-9a-f]{64}$/.test(hash)) {
    throw invalid(`${what}: ${quote(hash)} is no sha256 in 64 lower-case hex digits`);
  }
  if (sizeBytes < 0n || sizeBytes > BigInt(Number.MAX_SAFE_INTEGER)) throw invalid(`${what}: a size of ${sizeBytes}`);
  if (sizeBytes === 0n && hash !== emptySha256) throw invalid(`${what}: ${hash} is not the sha256 of nothing`);
  return { sha256: hash, size: Number(sizeBytes) };
}

const emptySha256 = 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855';

async function addDirectory(
  directory: ActionResultShape['outputDirectories'][number],
  reader: ActionResultReader,
  found: References,
): Promise<void> {
  const what = `output directory ${quote(directory.path)}`;
  // The empty path is the working directory itself.
  if (directory.path !== '') checkPath(directory.path, 'output directory');
  if (!directory.treeDigest && !directory.rootDirectoryDigest) throw invalid(`${what} has no digest`);
  if (directory.treeDigest) {
    const blob = toBlob(directory.treeDigest, what);
    found.add(blob);
    const tree = await reader.readTree(blob);
    if (!tree) throw new ActionResultError('missing', `${what}: its tree ${blob.sha256} is not here`);
    for (const listed of [tree.root, ...tree.children]) {
      for (const file of listed?.files ?? []) found.add(toBlob(file.digest, `${what}: ${quote(file.name)}`));
    }
  }
  if (directory.rootDirectoryDigest) {
    await addTree(toBlob(directory.rootDirectoryDigest, what), what, { reader, found });
  }
}

/** All below one directory that lies in the store by itself; each directory is read once, however often it is listed. */
async function addTree(
  root: CacheBlob,
  what: string,
  { reader, found }: { readonly reader: ActionResultReader; readonly found: References },
): Promise<void> {
  const waiting = [root];
  const seen = new Set([root.sha256]);
  for (let blob = waiting.pop(); blob; blob = waiting.pop()) {
    found.add(blob);
    const directory = await reader.readDirectory(blob);
    if (!directory) throw new ActionResultError('missing', `${what}: the directory ${blob.sha256} is not here`);
    for (const file of directory.files) found.add(toBlob(file.digest, `${what}: ${quote(file.name)}`));
    for (const { name, digest } of directory.directories) {
      const child = toBlob(digest, `${what}: ${quote(name)}`);
      if (seen.has(child.sha256)) continue;
      seen.add(child.sha256);
      waiting.push(child);
    }
  }
}

/** Each blob once. The same hash with two sizes is a mistake that could hide a missing blob. */
class References {
  readonly #sizes = new Map<string, number>();

  add({ sha256, size }: CacheBlob): void {
    const known = this.#sizes.get(sha256);
    if (known === size) return;
    if (known !== undefined) throw invalid(`${sha256} has ${known} bytes in one place and ${size} in another`);
    if (this.#sizes.size >= mostReferences) throw invalid(`more than ${mostReferences} blobs`);
    this.#sizes.set(sha256, size);
  }

  all(): readonly CacheBlob[] {
    return [...this.#sizes].map(([sha256, size]) => ({ sha256, size }));
  }
}

/** Paths are relative and stay below the working directory. */
function checkPath(path: string, what: string): void {
  const isInside = path !== '' && !path.startsWith('/') && !path.split('/').includes('..') && !path.includes('\0');
  if (!isInside) throw invalid(`the ${what} ${quote(path)} is not below the working directory`);
}

function quote(text: string): string {
  return JSON.stringify(text.length > 120 ? `${text.slice(0, 120)}…` : text);
}

function invalid(message: string): ActionResultError {
  return new ActionResultError('invalid', message);
}
