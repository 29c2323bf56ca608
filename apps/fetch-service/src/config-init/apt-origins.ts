import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { KeyProblems } from '../config/inspectors-config.js';
import { readKeyFile, trustedKeyFiles } from './apt-keys.js';
import { type AptSource, parseDeb822Sources, parseSourcesList } from './apt-sources.js';
import type { Found } from './npm-origins.js';
import { globBelow, parseHttpUrl } from './origin-url.js';
import type { RunProgram } from './run-program.js';

/** A repository that apt on this machine uses. */
export interface AptOrigin {
  readonly name: string;
  /** Glob of everything below its base URL. */
  readonly url: string;
  readonly suites: readonly string[];
  readonly components: readonly string[];
  /** Armored keys, one or several blocks. */
  readonly publicKey: string;
}

/** Asks apt where its sources and keys lie and reads them. */
export async function findAptOrigins(run: RunProgram, keyProblems: KeyProblems): Promise<Found<AptOrigin>> {
  const places = await askPlaces(run);
  if (typeof places === 'string') return { origins: [], notes: [`${places}: no apt section`] };
  const sources = await readSources(places);
  const notes: string[] = [];
  const merged = new Map<string, { base: URL; suites: Set<string>; components: Set<string>; keys: Set<string> }>();
  for (const source of sources) {
    const usable = usableUris(source, notes);
    if (usable.length === 0) continue;
    const keys = await usableKeys(await keysOf(source, places, notes), keyProblems, notes);
    if (keys.length === 0) {
      notes.push(`no key was found for ${usable.map(({ href }) => href).join(', ')}: left out`);
      continue;
    }
    for (const base of usable) {
      const glob = globBelow(base);
      const entry = merged.get(glob) ?? { base, suites: new Set(), components: new Set(), keys: new Set() };
      merged.set(glob, entry);
      for (const suite of source.suites) entry.suites.add(suite);
      for (const component of source.components) entry.components.add(component);
      for (const key of keys) entry.keys.add(key);
    }
  }
  const names = new Set<string>();
  const origins = [...merged].map(([url, { base, suites, components, keys }]) => ({
    name: uniqueName(base, names),
    url,
    suites: [...suites],
    components: [...components],
    publicKey: [...keys].join(''),
  }));
  if (origins.length === 0 && notes.length === 0) notes.push('apt has no sources: no apt section');
  return { origins, notes };
}

interface AptPlaces {
  readonly list: string;
  readonly parts: string;
  readonly trusted: string;
  readonly trustedParts: string;
}

async function askPlaces(run: RunProgram): Promise<AptPlaces | string> {
  const wanted = [
    ['list', 'Dir::Etc::sourcelist/f'],
    ['parts', 'Dir::Etc::sourceparts/d'],
    ['trusted', 'Dir::Etc::trusted/f'],
    ['trustedParts', 'Dir::Etc::trustedparts/d'],
  ] as const;
  const answer = await run('apt-config', ['shell', ...wanted.flat()]);
  if ('missing' in answer) return 'apt is not installed';
  if ('failure' in answer) return `apt did not tell its configuration (${answer.failure})`;
  const value = (name: string) => new RegExp(`^${name}='(.*)'$`, 'm').exec(answer.output)?.[1] ?? '';
  return { list: value('list'), parts: value('parts'), trusted: value('trusted'), trustedParts: value('trustedParts') };
}

async function readSources({ list, parts }: AptPlaces): Promise<AptSource[]> {
  const names = (await readdir(parts).catch(() => [])).sort();
  const files = [
    list,
    ...names.filter((name) => /^[\w.-]+\.(list|sources)$/.test(name)).map((name) => join(parts, name)),
  ];
  const found: AptSource[] = [];
  for (const file of files) {
    const text = await readFile(file, 'utf8').catch(() => '');
    found.push(...(file.endsWith('.sources') ? parseDeb822Sources(text) : parseSourcesList(text)));
  }
  return found;
}

function usableUris(source: AptSource, notes: string[]): URL[] {
  if (source.isTrusted) {
    notes.push(`${source.uris.join(', ')} is marked trusted: without a signature there is nothing to verify, left out`);
    return [];
  }
  if (source.suites.some((suite) => suite.endsWith('/'))) {
    notes.push(`${source.uris.join(', ')} is a flat repository, which is not supported: left out`);
    return [];
  }
  return source.uris.flatMap((text) => {
    const url = text.includes('$(') ? undefined : parseHttpUrl(text);
    if (!url) notes.push(`${text.replace(/\/\/[^/@]*@/, '//')} is not an http or https source: left out`);
    else if (url.username) notes.push(`${url.hostname} has credentials in its URL: give them to sessions as a secret`);
    if (url) {
      url.username = '';
      url.password = '';
    }
    return url ?? [];
  });
}

async function keysOf(source: AptSource, places: AptPlaces, notes: string[]): Promise<string[]> {
  if (source.inlineKeys) return [`${source.inlineKeys}\n`];
  // A fingerprint chooses among the trusted keys; taking all of them would trust more than apt does, so people are told.
  if (source.fingerprints.length > 0 && source.keyFiles.length === 0) {
    notes.push(
      `${source.uris.join(', ')} names its keys by fingerprint: all trusted keys were taken, remove what it does not need`,
    );
  }
  const files =
    source.keyFiles.length > 0 ? source.keyFiles : await trustedKeyFiles(places.trusted, places.trustedParts);
  const keys: string[] = [];
  for (const file of files) {
    const read = await readKeyFile(file);
    if ('armored' in read) keys.push(read.armored);
    else notes.push(read.problem);
  }
  return keys;
}

/** A key that the inspectors cannot read would keep the service from starting; others beside it still count. */
async function usableKeys(keys: readonly string[], keyProblems: KeyProblems, notes: string[]): Promise<string[]> {
  const usable: string[] = [];
  for (const key of keys) {
    const repository = { urls: [], suites: [], components: [], 'public-key': key, 'allow-expired': false };
    const [problem] = await keyProblems({ apt: { repositories: { keys: repository } } });
    if (problem) notes.push(`a key was left out: ${problem.replace(/^apt\.repositories\.keys: /, '')}`);
    else usable.push(key);
  }
  return usable;
}

/** The last part of the path says most (`debian`, `debian-security`), else the host. */
function uniqueName(base: URL, taken: Set<string>): string {
  const last = base.pathname.split('/').findLast((part) => part !== '') ?? base.hostname;
  const stem = last.toLowerCase().replace(/[^a-z0-9-]+/g, '-') || 'repository';
  let name = stem;
  for (let n = 2; taken.has(name); n++) name = `${stem}-${n}`;
  taken.add(name);
  return name;
}
