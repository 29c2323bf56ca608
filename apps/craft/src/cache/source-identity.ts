import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import { formatDigest, parseDigest } from '@waybill/contracts';
import { type TreeEntry, walkTree } from '../files/walk-tree.js';
import type { PartContext } from '../lifecycle/context.js';
import type { StepState } from '../lifecycle/state.js';
import { planGit } from '../sources/git.js';
import { localSourceIgnore, localSourceRoot } from '../sources/local.js';
import { sourceTypeOf } from '../sources/pull-source.js';
import { gitFacts } from './git-facts.js';
import { canonicalText } from './key-document.js';

/** What a part's sources are, by content. */
export interface SourceIdentity {
  readonly source: Record<string, string>;
  /** sha256 of each package file. */
  readonly stagePackages: Record<string, string>;
}

/**
 * What identifies a part's source when that is known without pulling it: a pinned download, a whole commit, files of the project.
 * `undefined` for what only pulling shows: a branch, a URL without a checksum, stage packages, whatever a script brings.
 */
export async function fixedIdentity(context: PartContext): Promise<SourceIdentity | undefined> {
  const { part } = context;
  if (part['override-pull'] !== undefined || part['stage-packages'].length > 0) return undefined;
  const type = sourceTypeOf(part);
  if (type === undefined) return whole({});
  if (type === 'local') return whole({ type, ...(await localTree(context)) });
  if (type === 'git') {
    const commit = part['source-commit'];
    return commit !== undefined && isWholeCommit(commit) ? whole(gitSource(context, commit.toLowerCase())) : undefined;
  }
  const digest = await fileDigest(context);
  return digest === undefined ? undefined : whole(fileSource(context, type, digest));
}

/** What a finished pull brought; what its definition pins is spelled as {@link fixedIdentity} spells it. */
export async function pulledIdentity(context: PartContext, pulled: StepState): Promise<SourceIdentity> {
  const { part, paths } = context;
  const fixed = sourceTypeOf(part) === 'local' ? undefined : await fixedIdentity(context);
  if (fixed) return fixed;
  const stagePackages = Object.fromEntries(Object.entries(pulled.outcome).filter(([name]) => name.endsWith('.deb')));
  const source: Record<string, string> = {};
  const type = sourceTypeOf(part);
  const { commit, sha256 } = pulled.outcome;
  if (type === 'git' && commit !== undefined) Object.assign(source, gitSource(context, commit));
  else if (type !== undefined && sha256 !== undefined)
    Object.assign(source, fileSource(context, type, `sha256:${sha256}`));
  else if (type !== undefined) source.type = type;
  // What lies there decides: a script may have made anything of it, and a local source may have changed meanwhile.
  if (part['override-pull'] !== undefined || type === 'local') Object.assign(source, await contentOf(paths.src));
  return { source, stagePackages };
}

function whole(source: Record<string, string>): SourceIdentity {
  return { source, stagePackages: {} };
}

function isWholeCommit(commit: string): boolean {
  return /^([0-9a-f]{40}|[0-9a-f]{64})$/i.test(commit);
}

/** How deep the history is matters to builds that ask git for a version. */
function gitSource(context: PartContext, commit: string): Record<string, string> {
  const plan = planGit(context.part, context.inSession);
  const depth = plan.fetch.find((word) => word.startsWith('--depth='))?.slice('--depth='.length) ?? 'all';
  return { type: 'git', commit, depth };
}

/** A file that is not unpacked keeps its name, so the name is part of what it is. */
function fileSource(context: PartContext, type: string, digest: string): Record<string, string> {
  const name = basename(context.part.source?.split(/[?#]/, 1)[0] ?? '');
  return { type, digest, ...(type === 'file' ? { name } : {}) };
}

async function fileDigest(context: PartContext): Promise<string | undefined> {
  const { source = '', 'source-checksum': checksum } = context.part;
  if (/^[a-z][a-z0-9+.-]*:\/\//i.test(source)) {
    const pinned = checksum === undefined ? undefined : parseDigest(checksum);
    // Files of one sha1 or md5 can be made in pairs: those are known by what came.
    return pinned && /^sha(256|384|512)$/.test(pinned.algorithm) ? formatDigest(pinned) : undefined;
  }
  const path = resolve(context.layout.project, source);
  if (!(await stat(path).catch(() => undefined))?.isFile()) return undefined;
  return `sha256:${await hashFile(path)}`;
}

async function localTree(context: PartContext): Promise<Record<string, string>> {
  const root = await localSourceRoot(context);
  return contentOf(root, localSourceIgnore(context, root));
}

/** Files of a tree, and what builds ask git for when it is a clone: its commit and its tags. */
async function contentOf(
  root: string,
  ignore: (path: string) => boolean = () => false,
): Promise<Record<string, string>> {
  const tree = await treeDigest(root, (path) => ignoreGit(path) || ignore(path));
  const facts = await gitFacts(join(root, '.git'));
  return { tree, ...(facts && { commit: facts.commit, tags: facts.tags }) };
}

/** git's own files differ from clone to clone of the same commit. */
const ignoreGit = (path: string): boolean => path === '.git' || path.endsWith('/.git');

/** Digest of a tree by names, kinds, modes, contents and link targets; times do not count. */
export async function treeDigest(root: string, ignore?: (path: string) => boolean): Promise<string> {
  const hash = createHash('sha256');
  for (const entry of await walkTree(root, { ignore })) hash.update(`${await describe(root, entry)}\n`);
  return hash.digest('hex');
}

async function describe(root: string, { path, kind, mode, target }: TreeEntry): Promise<string> {
  if (kind === 'symlink') return canonicalText([kind, path, target]);
  if (kind === 'directory') return canonicalText([kind, path, mode]);
  return canonicalText([kind, path, mode, await hashFile(join(root, path))]);
}

async function hashFile(path: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(path, { highWaterMark: 1 << 18 })) hash.update(chunk as Buffer);
  return hash.digest('hex');
}
