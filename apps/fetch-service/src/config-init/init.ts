import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { aptKeyProblems } from '@waybill/inspectors';
import { readAclText } from '../config/acl-config.js';
import { formatFinding } from '../config/finding.js';
import { type KeyProblems, readInspectorsText } from '../config/inspectors-config.js';
import { configFiles } from '../config/service-configuration.js';
import { FetchServiceError, messageOf } from '../errors.js';
import { makeDirectory } from '../files/make-directory.js';
import { writeAtomically } from '../files/write-atomically.js';
import { findAptOrigins } from './apt-origins.js';
import { findGitOrigins } from './git-origins.js';
import { findNpmOrigins } from './npm-origins.js';
import { renderAcl, renderInspectors } from './render.js';
import { type RunProgram, runProgram } from './run-program.js';

/** Clients whose origins can be found. */
export const clients = ['npm', 'apt', 'git'] as const;
export type Client = (typeof clients)[number];

/** What to look for. */
export interface InitOptions {
  /** Empty = all. */
  readonly clients: readonly Client[];
  readonly gitUrls: readonly string[];
  readonly run?: RunProgram;
  /** Whether a key can be used; replaced in tests. */
  readonly keyProblems?: KeyProblems;
}

/** Files to write and what a person should know of them. */
export interface InitResult {
  readonly inspectors: string;
  readonly acl: string;
  readonly notes: readonly string[];
  readonly summary: string;
}

/**
 * Makes configuration texts out of what the clients of this machine are configured to use; nothing is fetched.
 * @throws FetchServiceError FETCH_ORIGINS_NOT_FOUND
 */
export async function createConfiguration(options: InitOptions): Promise<InitResult> {
  const { run = runProgram, keyProblems = aptKeyProblems } = options;
  const wanted = options.clients.length > 0 ? options.clients : clients;
  const nothing = { origins: [], notes: [] };
  const npm = wanted.includes('npm') ? await findNpmOrigins(run) : nothing;
  const apt = wanted.includes('apt') ? await findAptOrigins(run, keyProblems) : nothing;
  const git = wanted.includes('git') ? await findGitOrigins(run, options.gitUrls) : nothing;
  const notes = [...npm.notes, ...apt.notes, ...git.notes];
  const counts = { npm: npm.origins.length, apt: apt.origins.length, git: git.origins.length };
  if (counts.npm + counts.apt + counts.git === 0) {
    throw new FetchServiceError('FETCH_ORIGINS_NOT_FOUND', `no origins were found: ${notes.join('; ')}`, {
      hint: 'install or configure one of the clients, or write inspectors.yaml by hand',
    });
  }
  const inspectors = renderInspectors({ npm: npm.origins, apt: apt.origins, git: git.origins }, notes);
  const acl = renderAcl();
  await assertValid(inspectors, acl, keyProblems);
  const summary = `npm registries: ${counts.npm}, apt repositories: ${counts.apt}, git patterns: ${counts.git}`;
  return { inspectors, acl, notes, summary };
}

/**
 * Writes both files.
 * @throws FetchServiceError FETCH_CONFIG_UNWRITABLE, also when one exists and `isForced` is false
 */
export async function writeConfiguration(directory: string, result: InitResult, isForced: boolean): Promise<string[]> {
  const files = [
    [join(directory, configFiles.inspectors), result.inspectors],
    [join(directory, configFiles.acl), result.acl],
  ] as const;
  const written: string[] = [];
  for (const [file] of files) {
    const isThere = await stat(file).then(
      () => true,
      () => false,
    );
    if (!isThere || isForced) written.push(file);
    // An access list that somebody wrote is kept without a word: there is nothing of this machine to put into it.
    else if (file === files[0][0]) {
      throw new FetchServiceError('FETCH_CONFIG_UNWRITABLE', `${file} exists already`, {
        hint: 'look at a new one with --output=-, or overwrite it with --force',
      });
    }
  }
  try {
    await makeDirectory(directory, 0o755);
    for (const [file, text] of files) if (written.includes(file)) await writeAtomically(file, text, 0o644);
  } catch (cause) {
    throw new FetchServiceError('FETCH_CONFIG_UNWRITABLE', `${directory} cannot be written: ${messageOf(cause)}`, {
      hint: 'choose another directory with --output=DIR',
      cause,
    });
  }
  return written;
}

/** A file of ours that the service then refuses would be our fault, and found at the worst time. */
async function assertValid(inspectors: string, acl: string, keyProblems: KeyProblems): Promise<void> {
  const findings = [...(await readInspectorsText(inspectors, keyProblems)).findings, ...readAclText(acl).findings];
  const errors = findings.filter(({ severity }) => severity === 'error').map((finding) => formatFinding(finding));
  if (errors.length > 0) {
    throw new FetchServiceError(
      'FETCH_CONFIG_INVALID',
      `what was found makes no valid configuration:\n${errors.join('\n')}`,
      {
        hint: 'leave the client out with --npm, --apt or --git for the others',
      },
    );
  }
}
