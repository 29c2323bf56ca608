import { join, resolve } from 'node:path';
import { inferSourceType, redactUrl } from '@waybill/contracts';
import { CraftError } from '../errors.js';
import type { PartContext } from '../lifecycle/context.js';
import { stepEnvironment } from '../lifecycle/step-environment.js';
import type { StepLog } from '../lifecycle/step-log.js';

/** Where the wanted reference is kept in the clone. */
const sourceRef = 'refs/craft/source';

/** What is to be fetched and how deep. */
export interface GitPlan {
  /** What stands behind `git fetch <remote>`. */
  readonly fetch: readonly string[];
  /** What is checked out afterwards. */
  readonly checkout: string;
  /** Arguments of `git submodule update`, `undefined` when there is nothing to do. */
  readonly submodules: readonly string[] | undefined;
}

/**
 * Plans a fetch. A session sees every object, and a strict one wants single references at depth 1: that is the default
 * there, `source-depth` (0: everything) overrides it. Outside sessions everything is fetched, as the craft family does.
 * @throws CraftError CRAFT_SOURCE_GIT_FAILED for what cannot be fetched that way
 */
export function planGit(part: PartContext['part'], inSession: boolean): GitPlan {
  const depth = part['source-depth'] ?? (inSession ? 1 : 0);
  const commit = part['source-commit'];
  const branch = part['source-branch'];
  const tag = part['source-tag'];
  const whole = commit === undefined || /^([0-9a-f]{40}|[0-9a-f]{64})$/i.test(commit);
  if (depth > 0 && !whole) {
    throw new CraftError(
      'CRAFT_SOURCE_GIT_FAILED',
      `source-commit ${commit} is shortened, and a shallow fetch needs all digits`,
      {
        hint: inSession
          ? 'write the whole commit id; sessions fetch with depth 1'
          : 'write the whole commit id or leave source-depth out',
      },
    );
  }
  const ref = commit ?? (branch ? `refs/heads/${branch}` : tag ? `refs/tags/${tag}` : 'HEAD');
  const shallow = depth > 0 ? [`--depth=${depth}`] : [];
  const everything = ['--tags', 'origin', '+refs/heads/*:refs/remotes/origin/*'];
  // A commit is found among everything: not every server gives single commits, and none knows shortened ids.
  const byHistory = depth === 0 && commit !== undefined;
  const fetch = depth > 0 ? ['--no-tags', ...shallow, 'origin'] : everything;
  const modules = part['source-submodules'];
  return {
    fetch: byHistory ? fetch : [...fetch, `+${ref}:${sourceRef}`],
    checkout: byHistory ? commit : sourceRef,
    submodules:
      modules?.length === 0 ? undefined : ['--init', '--recursive', ...shallow, ...(modules ? ['--', ...modules] : [])],
  };
}

/**
 * Fetches a git source with real git inside the build environment.
 * @returns the commit that is checked out
 * @throws CraftError CRAFT_SOURCE_GIT_FAILED with git's last lines
 */
export async function pullGit(context: PartContext, log: StepLog): Promise<Record<string, string>> {
  const { part } = context;
  const plan = planGit(part, context.inSession);
  const git = (...args: string[]) => runGit(context, log, args);
  await git('init', '--quiet', '--initial-branch=craft');
  await git('remote', 'add', 'origin', remoteOf(part.source ?? '', context.layout.project));
  await git('fetch', '--no-recurse-submodules', ...plan.fetch);
  await git('checkout', '--quiet', '--detach', plan.checkout);
  if (plan.submodules) await git('submodule', 'update', ...plan.submodules);
  return { commit: (await git('rev-parse', 'HEAD')).trim() };
}

function remoteOf(source: string, project: string): string {
  const url = source.replace(/^git\+(?=[a-z]+:)/, '');
  return isRemote(url) ? url : resolve(project, url.replace(/^file:\/\//, ''));
}

function isRemote(url: string): boolean {
  return !url.startsWith('file://') && /^[a-z][a-z0-9+.-]*:\/\/|^[^/]+@[^/]+:/i.test(url);
}

/** Directory of the machine that a part's source is fetched from with git: it has to be visible where git runs. */
export function localRepository(part: PartContext['part'], project: string): string | undefined {
  const source = part.source?.replace(/^git\+(?=[a-z]+:)/, '');
  if (source === undefined || isRemote(source)) return undefined;
  return (part['source-type'] ?? inferSourceType(source)) === 'git' ? remoteOf(source, project) : undefined;
}

async function runGit(context: PartContext, log: StepLog, args: readonly string[]): Promise<string> {
  let output = '';
  const result = await context.environment.run({
    argv: ['git', ...args],
    cwd: context.paths.src,
    env: {
      ...stepEnvironment(context, 'pull'),
      GIT_TERMINAL_PROMPT: '0',
      GIT_CEILING_DIRECTORIES: join(context.paths.src, '..'),
    },
    onStdout: (chunk) => {
      if (output.length < 65_536) output += chunk.toString('utf8');
      log.write(chunk);
    },
    onStderr: (chunk) => log.write(chunk),
    signal: context.signal,
    network: context.network,
  });
  context.signal.throwIfAborted();
  if (result.exitCode === 0) return output;
  throw new CraftError(
    'CRAFT_SOURCE_GIT_FAILED',
    `part ${context.name}: git ${args[0]} of ${redactUrl(context.part.source ?? '')} failed`,
    {
      details: log.tail(),
      hint: 'check source, source-branch, source-tag and source-commit; in a session the URL must be allowed too',
    },
  );
}
