import type { ArtifactMetadata } from '@waybill/contracts';
import { formatPurl, stripControl } from '@waybill/contracts';
import { ArchiveError } from '../archive/expand.js';
import { normalizeLicense } from '../license.js';
import { isSameVersion, normalizeName } from './names.js';

/** Fields of METADATA or PKG-INFO by lower-case name, in order; the description's text is left out. */
export type CoreMetadata = ReadonlyMap<string, readonly string[]>;

export const metadataBytes = 16 * 2 ** 20;
const mostFields = 20_000;

/**
 * Reads the headers of a core metadata file.
 * @throws ArchiveError without Metadata-Version, Name or Version, and when one of these stands twice
 * @see https://packaging.python.org/en/latest/specifications/core-metadata/
 */
export function readCoreMetadata(bytes: Uint8Array, where: string): CoreMetadata {
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (cause) {
    throw new ArchiveError(`${where} is not UTF-8`, { cause });
  }
  const fields = new Map<string, string[]>();
  let last: string[] | undefined;
  let count = 0;
  for (const line of headerLines(text)) {
    count += 1;
    if (count > mostFields) throw new ArchiveError(`${where} has more than ${mostFields} lines of fields`);
    if (/^[ \t]/.test(line)) {
      if (last && last.length > 0) last[last.length - 1] += `\n${line.trim()}`;
      continue;
    }
    const colon = line.indexOf(':');
    if (colon < 1)
      throw new ArchiveError(`${where} has a line that is no field: ${JSON.stringify(line.slice(0, 100))}`);
    const name = line.slice(0, colon).trim().toLowerCase();
    last = fields.get(name) ?? [];
    last.push(line.slice(colon + 1).trim());
    fields.set(name, last);
  }
  for (const name of ['metadata-version', 'name', 'version']) {
    const values = fields.get(name) ?? [];
    if (values.length !== 1 || values[0] === '')
      throw new ArchiveError(`${where} has ${values.length || 'no'} ${name}`);
  }
  return fields;
}

/** What is wrong with a file's own name and version, or undefined. */
export function identityFault(
  metadata: CoreMetadata,
  candidates: readonly { readonly project: string; readonly version: string }[],
): string | undefined {
  const [name, version] = [one(metadata, 'name'), one(metadata, 'version')];
  const isListed = candidates.some(
    (candidate) => candidate.project === normalizeName(name) && isSameVersion(candidate.version, version),
  );
  if (isListed) return undefined;
  const wanted = candidates.map((candidate) => `${candidate.project} ${candidate.version}`).join(' or ');
  return `expected ${wanted}, found ${JSON.stringify(`${name} ${version}`.slice(0, 300))}`;
}

/** What the report says of a distribution, from its own metadata. */
export function distributionMetadata(metadata: CoreMetadata): Partial<ArtifactMetadata> {
  const [name, version] = [one(metadata, 'name'), one(metadata, 'version')];
  const author = one(metadata, 'author') || nameIn(one(metadata, 'author-email'));
  const vendor = author || one(metadata, 'maintainer') || nameIn(one(metadata, 'maintainer-email'));
  return {
    name,
    version,
    description: one(metadata, 'summary'),
    author,
    'author-email': /<([^>]*)>/.exec(one(metadata, 'author-email'))?.[1] ?? one(metadata, 'author-email'),
    vendor,
    license: licenseOf(metadata),
    purl: formatPurl({ type: 'pypi', name: normalizeName(name), version }),
  };
}

/** `License-Expression` (PEP 639), a short `License`, or what the classifiers say. */
function licenseOf(metadata: CoreMetadata): string {
  const expression = one(metadata, 'license-expression');
  if (expression) return expression;
  const text = one(metadata, 'license');
  if (text && !text.includes('\n') && text.length <= 200 && text !== 'UNKNOWN') return normalizeLicense(text);
  const classified = (metadata.get('classifier') ?? [])
    .map((classifier) => /^License :: (?:OSI Approved :: )?(.+)$/.exec(classifier)?.[1] ?? '')
    .filter((name) => name !== '' && name !== 'OSI Approved')
    .map((name) => normalizeLicense(name.replace(/^.*\(([^()]+)\)$/, '$1')));
  return [...new Set(classified)].join(' AND ').slice(0, 1000);
}

function one(metadata: CoreMetadata, name: string): string {
  const [value = ''] = metadata.get(name) ?? [];
  const plain = name === 'license' ? value : value.replace(/\s+/g, ' ');
  return stripControl(plain.slice(0, 1000)).trim();
}

/** `Ann <ann@mail.example>`. */
function nameIn(address: string): string {
  return /^"?([^"<]*)"?\s*</.exec(address)?.[1]?.trim() ?? '';
}

function* headerLines(text: string): Generator<string> {
  for (let start = 0; start < text.length; ) {
    const end = text.indexOf('\n', start);
    const line = text.slice(start, end < 0 ? text.length : end).replace(/\r$/, '');
    if (line === '') return;
    yield line;
    if (end < 0) return;
    start = end + 1;
  }
}
