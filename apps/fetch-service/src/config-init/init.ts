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
import { findCargoOrigins } from './cargo-origins.js';
import { type FetchText, fetchText } from './fetch-text.js';
import { findGitOrigins } from './git-origins.js';
import { findGoOrigins } from './go-origins.js';
import { findMavenOrigins } from './maven-origins.js';
import { type Found, findNpmOrigins } from './npm-origins.js';
import { findPipOrigins } from './pip-origins.js';
import { renderAcl, renderInspectors } from './render.js';
import { type RunProgram, runProgram } from './run-program.js';

/** Clients whose origins can be found. */
export const clients = ['npm', 'pip', 'cargo', 'go', 'maven', 'apt', 'git'] as const;
export type Client = (typeof clients)[number];

/** What to look for. */
export interface InitOptions {
  /** Empty = all. */
  readonly clients: readonly Client[];
  readonly gitUrls: readonly string[];
  readonly run?: RunProgram;
  readonly fetch?: FetchText;
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
 * Makes configuration texts out of what the clients of this machine are configured to use. Where a client does not tell, one
 * small document of its origin is read, or one throw-away run of it watched.
 * @throws FetchServiceError FETCH_ORIGINS_NOT_FOUND
 */
export async function createConfiguration(options: InitOptions): Promise<InitResult> {
  const { run = runProgram, fetch = fetchText, keyProblems = aptKeyProblems } = options;
  const wanted = options.clients.length > 0 ? options.clients : clients;
  const find = <Origin>(client: Client, search: () => Promise<Found<Origin>>): Promise<Found<Origin>> =>
    wanted.includes(client) ? search() : Promise.resolve({ origins: [], notes: [] });
  const [npm, pip, cargo, go, maven, apt, git] = await Promise.all([
    find('npm', () => findNpmOrigins(run)),
    find('pip', () => findPipOrigins(run, fetch)),
    find('cargo', () => findCargoOrigins(run, fetch)),
    find('go', () => findGoOrigins(run)),
    find('maven', () => findMavenOrigins(run)),
    find('apt', () => findAptOrigins(run, keyProblems)),
    find('git', () => findGitOrigins(run, options.gitUrls)),
  ]);
  const found = { npm, pip, cargo, go, maven, apt, git };
  const notes = Object.values(found).flatMap((one) => one.notes);
  if (Object.values(found).every(({ origins }) => origins.length === 0)) {
    throw new FetchServiceError('FETCH_ORIGINS_NOT_FOUND', `no origins were found: ${notes.join('; ')}`, {
      hint: 'install or configure one of the clients, or write inspectors.yaml by hand',
    });
  }
  const inspectors = renderInspectors(
    {
      npm: npm.origins,
      pip: pip.origins,
      cargo: cargo.origins,
      go: go.origins,
      maven: maven.origins,
      apt: apt.origins,
      git: git.origins,
    },
    notes,
  );
  const acl = renderAcl();
  await assertValid(inspectors, acl, keyProblems);
  const summary = [
    `npm registries: ${npm.origins.length}, pip indexes: ${pip.origins.length}, cargo registries: ${cargo.origins.length}`,
    `go proxies: ${go.origins.flatMap(({ proxies }) => proxies).length}, maven repositories: ${maven.origins.length}`,
    `apt repositories: ${apt.origins.length}, git patterns: ${git.origins.length}`,
  ].join(', ');
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
        hint: 'leave the client out: name the others, such as --npm --apt',
      },
    );
  }
}
