import { parseHttpUrl, withoutCredentials } from './origin-url.js';
import type { RunProgram } from './run-program.js';
import { findYarnRegistry } from './yarn-origin.js';

/** A registry that npm on this machine uses. */
export interface NpmOrigin {
  /** Name in the configuration: `default`, or the scope. */
  readonly name: string;
  readonly url: string;
}

/** What was found of one client, with what a person should know. */
export interface Found<Origin> {
  readonly origins: readonly Origin[];
  readonly notes: readonly string[];
}

/** Asks npm for its registry and those of scopes, as its configuration files, environment and defaults give them. */
export async function findNpmOrigins(run: RunProgram): Promise<Found<NpmOrigin>> {
  const listed = await run('npm', ['config', 'list', '--json']);
  if ('missing' in listed) return { origins: [], notes: ['npm is not installed: no npm section'] };
  if ('failure' in listed)
    return { origins: [], notes: [`npm did not tell its configuration (${listed.failure}): no npm section`] };
  const config = parse(listed.output);
  const notes: string[] = [];
  const origins: NpmOrigin[] = [];
  const add = (name: string, text: unknown) => {
    const url = typeof text === 'string' ? parseHttpUrl(text) : undefined;
    if (!url) {
      notes.push(`npm's registry of ${name} is not an http or https URL: left out`);
      return;
    }
    if (url.username || url.password)
      notes.push(`npm's registry of ${name} has credentials in its URL: give them to sessions as a secret`);
    origins.push({ name, url: withoutCredentials(url) });
  };
  // npm leaves a URL with credentials out of the list.
  add('default', config.registry ?? (await single(run)));
  for (const [key, value] of Object.entries(config).sort(([a], [b]) => (a < b ? -1 : 1))) {
    const scope = /^(@[^:]+):registry$/.exec(key)?.[1];
    if (scope) add(scope, value);
  }
  const yarn = await findYarnRegistry(run);
  const isKnown = (registry: string) =>
    origins.some(({ url }) => [url, `${url}/`].includes(registry) || url === `${registry}/`);
  if (yarn !== undefined && !isKnown(yarn)) add('yarn', yarn);
  return { origins, notes };
}

async function single(run: RunProgram): Promise<string | undefined> {
  const answer = await run('npm', ['config', 'get', 'registry']);
  return 'output' in answer ? answer.output.trim() : undefined;
}

function parse(output: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(output);
    return typeof value === 'object' && value !== null ? { ...value } : {};
  } catch {
    return {};
  }
}
