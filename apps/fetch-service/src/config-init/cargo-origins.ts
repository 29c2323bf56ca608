import { readFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { parse } from 'smol-toml';
import type { FetchText } from './fetch-text.js';
import type { Found } from './npm-origins.js';
import { globBelow, parseHttpUrl, withoutCredentials } from './origin-url.js';
import type { RunProgram } from './run-program.js';
import { throwAwayRun } from './throw-away-run.js';

/** A registry that cargo on this machine uses. */
export interface CargoOrigin {
  readonly name: string;
  /** Of its sparse index. */
  readonly index: string;
  readonly downloads: readonly string[];
}

type Table = Readonly<Record<string, unknown>>;

/**
 * Reads cargo's configuration: registries, and what takes the place of its own. That one is compiled in, so a throw-away run of
 * cargo shows its host when nothing takes its place. Where crates lie stands in each index's config.json.
 */
export async function findCargoOrigins(
  run: RunProgram,
  fetch: FetchText,
  environment: Readonly<Record<string, string | undefined>> = process.env,
): Promise<Found<CargoOrigin>> {
  if (!('output' in (await run('cargo', ['--version'])))) {
    return { origins: [], notes: ['cargo is not installed: no cargo section'] };
  }
  const notes: string[] = [];
  const config = await readConfig(environment.CARGO_HOME ?? join(environment.HOME ?? homedir(), '.cargo'));
  const found = new Map<string, string>();
  const own = replacement(config) ?? (await ownIndex(run));
  if (own === undefined) notes.push('which index cargo uses by itself was not found: add it to cargo.registries');
  else found.set('default', own);
  for (const [name, registry] of Object.entries(table(config.registries))) {
    const { index } = table(registry);
    if (typeof index === 'string') found.set(name, index);
  }
  const origins: CargoOrigin[] = [];
  for (const [name, text] of found) {
    const url = text.startsWith('sparse+') ? parseHttpUrl(text.slice('sparse+'.length)) : undefined;
    if (!url) {
      notes.push(`cargo's registry ${name} has no sparse index: left out, a git index cannot be verified`);
      continue;
    }
    const index = withoutCredentials(url).replace(/\/*$/, '/');
    const downloads = await downloadsOf(index, fetch);
    if (!downloads)
      notes.push(
        `the index of cargo's registry ${name} did not answer: add where its crates lie to cargo.registries.${name}.downloads`,
      );
    origins.push({ name, index: `sparse+${index}`, downloads: downloads ?? [] });
  }
  return { origins, notes };
}

async function readConfig(home: string): Promise<Table> {
  for (const file of ['config.toml', 'config']) {
    try {
      return parse(await readFile(join(home, file), 'utf8')) as Table;
    } catch {
      // Not there, or nothing that cargo itself could read.
    }
  }
  return {};
}

/** What `[source.crates-io] replace-with` leads to. */
function replacement(config: Table): string | undefined {
  const sources = table(config.source);
  let name: unknown = table(sources['crates-io'])['replace-with'];
  for (let steps = 0; typeof name === 'string' && steps < 10; steps += 1) {
    const source = table(sources[name]);
    if (typeof source.registry === 'string') return source.registry;
    const { index } = table(table(config.registries)[name]);
    if (typeof index === 'string') return index;
    name = source['replace-with'];
  }
  return undefined;
}

/** cargo's own index is compiled in: a throw-away run shows its host. */
async function ownIndex(run: RunProgram): Promise<string | undefined> {
  const [origin] = await throwAwayRun(run, {
    files: {
      'src/lib.rs': '',
      'Cargo.toml':
        '[package]\nname = "waybill-throw-away"\nversion = "0.0.0"\n[dependencies]\nlibc = "*"\n[workspace]\n',
    },
    command: (dir, proxyUrl) => [
      ...(['cargo', '--config', `http.proxy="${proxyUrl}"`] as const),
      ...['--config', 'net.retry=0', '--config', 'http.timeout=5'],
      ...['generate-lockfile', '--manifest-path', join(dir, 'Cargo.toml')],
    ],
  });
  return origin === undefined ? undefined : `sparse+${origin}/`;
}

/** What `dl` in config.json leads to; markers in it end the fixed part. */
async function downloadsOf(index: string, fetch: FetchText): Promise<string[] | undefined> {
  const text = await fetch(`${index}config.json`, 'application/json');
  let dl: unknown;
  try {
    dl = (JSON.parse(text ?? '') as Table).dl;
  } catch {
    return undefined;
  }
  if (typeof dl !== 'string') return undefined;
  const [fixed = ''] = dl.split('{', 1);
  const url = parseHttpUrl(dl.includes('{') ? fixed.slice(0, fixed.lastIndexOf('/') + 1) : dl);
  return url ? [globBelow(url)] : undefined;
}

function table(value: unknown): Table {
  return typeof value === 'object' && value !== null ? (value as Table) : {};
}
