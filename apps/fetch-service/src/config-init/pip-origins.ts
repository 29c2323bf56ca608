import type { FetchText } from './fetch-text.js';
import type { Found } from './npm-origins.js';
import { globBelow, parseHttpUrl, withoutCredentials } from './origin-url.js';
import type { RunProgram } from './run-program.js';
import { findUvIndex } from './uv-origin.js';

/** An index that pip on this machine uses. */
export interface PipOrigin {
  readonly name: string;
  readonly url: string;
  /** Where its files lie besides. */
  readonly files: readonly string[];
}

const accept = 'application/vnd.pypi.simple.v1+json, text/html;q=0.1';
/** A project that every index has, to see where files lie. */
const probe = 'pip';

/**
 * Asks pip for its indexes; the one that it has by itself stands in its help. Where an index keeps its files is seen in one page.
 */
export async function findPipOrigins(run: RunProgram, fetch: FetchText): Promise<Found<PipOrigin>> {
  const listed = await run('python3', ['-m', 'pip', 'config', 'list']);
  const uv = await findUvIndex(run);
  if (!('output' in listed) && uv === undefined) {
    return { origins: [], notes: ['neither pip nor uv is installed: no pip section'] };
  }
  const notes: string[] = [];
  const settings = parseList('output' in listed ? listed.output : '');
  const own = settings.get('index-url') ?? ('output' in listed ? await defaultOf(run) : undefined);
  const named = [own, ...(settings.get('extra-index-url') ?? '').split(/\s+/)].filter(
    (text) => text !== undefined && text !== '',
  );
  // uv's own address is a guess below the host that it wanted; what pip names there is known for sure.
  const isKnown = named.some((text) => parseHttpUrl(text as string)?.origin === (uv && new URL(uv).origin));
  const urls = uv === undefined || isKnown ? named : [...named, uv];
  const origins: PipOrigin[] = [];
  for (const [at, text] of urls.entries()) {
    const url = parseHttpUrl(text as string);
    if (!url) {
      notes.push("an index of pip's is not an http or https URL: left out");
      continue;
    }
    if (url.username || url.password) {
      notes.push("an index of pip's has credentials in its URL: give them to sessions as a secret");
    }
    const plain = new URL(withoutCredentials(url));
    if (!plain.pathname.endsWith('/')) plain.pathname += '/';
    const files = await filesOf(plain, fetch);
    if (!files)
      notes.push(`the index ${at + 1} of pip's did not answer: add the place of its files to pip.indexes.*.files`);
    origins.push({ name: at === 0 ? 'default' : `index-${at + 1}`, url: plain.href, files: files ?? [] });
  }
  if (origins.length === 0) notes.push('pip names no index: no pip section');
  return { origins, notes };
}

/** `global.index-url='…'`; the last of several levels holds. */
function parseList(output: string): Map<string, string> {
  const settings = new Map<string, string>();
  for (const line of output.split('\n')) {
    const [, key, value] = /^(?:global|user|site|install|download|:env:)\.([\w-]+)='(.*)'$/.exec(line.trim()) ?? [];
    if (key !== undefined && value !== undefined) settings.set(key, value.replaceAll('\\n', ' '));
  }
  return settings;
}

async function defaultOf(run: RunProgram): Promise<string | undefined> {
  const help = await run('python3', ['-m', 'pip', 'download', '--help']);
  if (!('output' in help)) return undefined;
  return /--index-url <url>[\s\S]{0,200}?\(default\s+(https?:\/\/[^\s)]+)\)/.exec(help.output)?.[1];
}

/** Patterns of places outside of the index's own origin; undefined when the page is not to be had. */
async function filesOf(index: URL, fetch: FetchText): Promise<string[] | undefined> {
  const page = new URL(`${probe}/`, index);
  const text = await fetch(page.href, accept);
  if (text === undefined) return undefined;
  const places = new Set<string>();
  for (const [, reference = ''] of text.matchAll(/(?:href="|"url":\s*")([^"#]+)/g)) {
    const url = URL.parse(reference, page.href);
    if (!url || !/^https?:$/.test(url.protocol) || url.origin === index.origin) continue;
    const [first = ''] = url.pathname.split('/').filter((part) => part !== '');
    places.add(globBelow(new URL(url.pathname.split('/').length > 2 ? `/${first}` : '/', url)));
    if (places.size > 20) break;
  }
  return [...places].sort();
}
