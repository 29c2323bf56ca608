import type { Readable } from 'node:stream';
import type { CatalogParser, Digest, DigestAlgorithm, JsonValue } from '@waybill/contracts';
import { digestAlgorithms, isDigestAlgorithm, isHexDigest } from '@waybill/contracts';
import { Parser } from 'htmlparser2';
import { projectJson } from '../json-projection.js';

/** Kind of the catalogs that project pages are. */
export const projectPageKind = 'pip.simple-index';

/** Scope of the pages of one project. */
export function projectScope(indexId: string, project: string): string {
  return `${projectPageKind}:${indexId}:${project}`;
}

/** A file as its index lists it. */
export interface ListedFile {
  /** Strongest first; those that bodies are hashed with. */
  readonly digests: readonly Digest[];
  /** Bytes. */
  readonly size?: number | undefined;
  /** Of the metadata file beside it: `true` says only that there is one. PEP 658, PEP 714 */
  readonly metadata?: Digest | true | undefined;
  readonly isYanked: boolean;
  /** Where its attestations lie. PEP 740 */
  readonly provenance?: string | undefined;
}

/** The immutable value: a project's files by name. */
export interface ProjectPage {
  /** As the page gives it; HTML gives none. */
  readonly name: string | undefined;
  readonly version: string | undefined;
  readonly files: ReadonlyMap<string, ListedFile>;
}

/** The page is not one of a project. */
export class ProjectPageError extends Error {}

const pageBytes = 128 * 2 ** 20;
const listBytes = 64 * 2 ** 20;
const mostFiles = 200_000;
const bodyAlgorithms: readonly DigestAlgorithm[] = ['sha512', 'sha256', 'sha1'];

/** Which of the two forms a page has, by its media type. */
export type PageForm = 'json' | 'html';

/**
 * Reads a project page in either form.
 * @throws ProjectPageError, JsonProjectionError
 * @see PEP 503, PEP 629, PEP 691, PEP 700
 */
export async function readProjectPage(bytes: Readable, form: PageForm): Promise<ProjectPage> {
  return form === 'json' ? readJson(bytes) : readHtml(bytes);
}

export const projectPageParser: CatalogParser<ProjectPage> = {
  kind: projectPageKind,
  parse: (bytes, ref) => readProjectPage(bytes, ref.attributes?.form === 'json' ? 'json' : 'html'),
  weigh({ files }) {
    let weight = 500;
    for (const [name, { provenance }] of files) weight += 500 + 2 * name.length + (provenance?.length ?? 0);
    return weight;
  },
};

async function readJson(bytes: Readable): Promise<ProjectPage> {
  const top = new Map<string, JsonValue>();
  let version: string | undefined;
  await projectJson(
    bytes,
    {
      select(path, kind) {
        if (path.length === 0) return 'enter';
        if (path.length === 1 && path[0] === 'meta') return kind === 'object' ? 'enter' : 'skip';
        if (path.length === 2) return path[1] === 'api-version' && kind === 'string' ? 'take' : 'skip';
        return path[0] === 'name' || path[0] === 'files' ? 'take' : 'skip';
      },
      take([key = ''], value) {
        if (key === 'meta') version = String(value);
        else top.set(key, value);
      },
    },
    { maxBytes: pageBytes, maxValueBytes: listBytes },
  );
  const [name, list] = [top.get('name'), top.get('files')];
  if (typeof name !== 'string' || !Array.isArray(list)) throw new ProjectPageError('no name or no files');
  const files = new Map<string, ListedFile>();
  for (const entry of list) {
    if (typeof entry !== 'object' || entry === null || Array.isArray(entry))
      throw new ProjectPageError('a file that is no object');
    const { filename, hashes, size, yanked, provenance } = entry;
    if (typeof filename !== 'string') throw new ProjectPageError('a file without a name');
    const metadata = metadataOf(
      entry['core-metadata'] ?? entry['dist-info-metadata'] ?? entry['data-dist-info-metadata'],
    );
    add(files, filename, {
      digests: digestsOf(hashes),
      ...(typeof size === 'number' && Number.isSafeInteger(size) && size >= 0 && { size }),
      ...(metadata && { metadata }),
      isYanked: yanked !== undefined && yanked !== false,
      ...(typeof provenance === 'string' && { provenance: provenance.slice(0, 2000) }),
    });
  }
  return { name, version, files };
}

async function readHtml(bytes: Readable): Promise<ProjectPage> {
  const files = new Map<string, ListedFile>();
  let version: string | undefined;
  let anchor: { readonly attributes: Readonly<Record<string, string>>; text: string } | undefined;
  let isPage = false;
  const parser = new Parser({
    onopentag(tag, attributes) {
      if (tag === 'html' || tag === 'body' || tag === 'title') isPage = true;
      if (tag === 'meta' && attributes.name === 'pypi:repository-version') version = attributes.content ?? '';
      if (tag === 'a') anchor = { attributes: { ...attributes }, text: '' };
    },
    ontext(text) {
      if (anchor && anchor.text.length < 1024) anchor.text += text;
    },
    onclosetag(tag) {
      if (tag !== 'a' || !anchor) return;
      const listed = listedInHtml(anchor.attributes, anchor.text.trim());
      if (listed) add(files, listed.name, listed.file);
      anchor = undefined;
    },
  });
  const decoder = new TextDecoder('utf-8', { fatal: true });
  let size = 0;
  for await (const chunk of bytes as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > pageBytes) throw new ProjectPageError(`longer than ${pageBytes} bytes`);
    parser.write(decode(decoder, chunk));
  }
  parser.end(decode(decoder));
  if (!isPage && files.size === 0) throw new ProjectPageError('no page of links');
  return { name: undefined, version, files };
}

function decode(decoder: { decode(chunk?: Buffer, options?: { stream: boolean }): string }, chunk?: Buffer): string {
  try {
    return chunk ? decoder.decode(chunk, { stream: true }) : decoder.decode();
  } catch (cause) {
    throw new ProjectPageError('not UTF-8', { cause });
  }
}

/** An anchor of a file; links to something else (`../`) are passed over. */
function listedInHtml(
  attributes: Readonly<Record<string, string>>,
  text: string,
): { readonly name: string; readonly file: ListedFile } | undefined {
  const href = attributes.href ?? '';
  const hash = href.indexOf('#');
  const path = hash < 0 ? href : href.slice(0, hash);
  const fromPath = lastSegment(path);
  const name = text === '' ? fromPath : text;
  // Installers go by the URL's last part; a page whose text says another name would be read in two ways.
  if (fromPath === '' || name !== fromPath) return undefined;
  const digests: Digest[] = [];
  for (const part of hash < 0 ? [] : href.slice(hash + 1).split('&')) {
    const [, algorithm = '', hex = ''] = /^(\w+)=([0-9a-fA-F]+)$/.exec(part) ?? [];
    addDigest(digests, algorithm, hex);
  }
  const metadata = metadataOf(attributes['data-core-metadata'] ?? attributes['data-dist-info-metadata']);
  const provenance = attributes['data-provenance'];
  return {
    name,
    file: {
      digests,
      ...(metadata && { metadata }),
      isYanked: attributes['data-yanked'] !== undefined,
      ...(provenance && { provenance: provenance.slice(0, 2000) }),
    },
  };
}

function lastSegment(path: string): string {
  const [bare = ''] = path.split('?', 1);
  try {
    return decodeURIComponent(bare.slice(bare.lastIndexOf('/') + 1));
  } catch {
    return '';
  }
}

function add(files: Map<string, ListedFile>, name: string, file: ListedFile): void {
  if (files.size >= mostFiles) throw new ProjectPageError(`more than ${mostFiles} files`);
  const known = files.get(name);
  if (known && JSON.stringify(known.digests) !== JSON.stringify(file.digests)) {
    throw new ProjectPageError(`${JSON.stringify(name.slice(0, 200))} is listed twice with different hashes`);
  }
  files.set(name, file);
}

function digestsOf(hashes: JsonValue | undefined): Digest[] {
  const digests: Digest[] = [];
  if (typeof hashes === 'object' && hashes !== null && !Array.isArray(hashes)) {
    for (const [algorithm, hex] of Object.entries(hashes))
      if (typeof hex === 'string') addDigest(digests, algorithm, hex);
  }
  return digests;
}

/** Keeps what bodies are hashed with, strongest first. */
function addDigest(digests: Digest[], algorithm: string, hex: string): void {
  const lower = hex.toLowerCase();
  if (!isDigestAlgorithm(algorithm) || !bodyAlgorithms.includes(algorithm) || !isHexDigest(algorithm, lower)) return;
  digests.push({ algorithm, hex: lower });
  digests.sort((a, b) => digestAlgorithms.indexOf(b.algorithm) - digestAlgorithms.indexOf(a.algorithm));
}

/** `true`, `sha256=<hex>`, or an object of hashes. */
function metadataOf(value: JsonValue | undefined): Digest | true | undefined {
  if (value === undefined || value === false || value === null || value === 'false') return undefined;
  if (typeof value === 'object') return digestsOf(value)[0] ?? true;
  const digests: Digest[] = [];
  const [, algorithm = '', hex = ''] = /^(\w+)=([0-9a-fA-F]+)$/.exec(String(value)) ?? [];
  addDigest(digests, algorithm, hex);
  return digests[0] ?? true;
}
