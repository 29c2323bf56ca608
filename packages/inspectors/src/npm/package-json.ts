import type { Readable } from 'node:stream';
import type { ArtifactMetadata } from '@waybill/contracts';
import { formatPurl, stripControl } from '@waybill/contracts';
import { ArchiveError, type ArchiveLimits } from '../archive/expand.js';
import { pathEscapes, type TarMember, walkTar } from '../archive/tar.js';
import { jsonDerivation } from '../json-derivation.js';
import { normalizeLicense } from '../license.js';
import { splitName } from './registry-path.js';

/** A package.json as far as it matters here. */
export interface PackageManifest {
  readonly name: string;
  readonly version: string;
  /** Those that {@link manifestMetadata} reads. */
  readonly fields: Readonly<Record<string, unknown>>;
}

const keptFields = ['description', 'author', 'license', 'licenses'] as const;
/** Of a text a report shows less. */
const longestField = 8_192;

/** The manifest of a tarball, by the digest of the tarball: most of its inspection is unpacking. */
export const manifestDerivation = jsonDerivation<PackageManifest>('npm.tarball/1');

/** Larger manifests are hostile. */
const manifestBytes = 8 * 2 ** 20;
const plainTypes: ReadonlySet<string> = new Set(['file', 'contiguous-file']);
const passedOver: ReadonlySet<string> = new Set(['directory', 'symlink', 'link', 'pax-global-header']);

/**
 * Reads the package.json that a package manager would unpack: in the first-level directory, whatever its name. The whole archive is
 * walked, because the last member of a name wins for one client and the first for another.
 * @throws ArchiveError
 */
export async function readManifest(
  tarball: Readable,
  options: { readonly limits: ArchiveLimits; readonly signal: AbortSignal },
): Promise<PackageManifest> {
  let found: Buffer | undefined;
  await walkTar(
    tarball,
    async (member) => {
      if (!isManifest(member)) return;
      const bytes = await member.read(manifestBytes);
      if (found && !found.equals(bytes)) throw new ArchiveError('the archive has two different package.json');
      found = bytes;
    },
    options,
  );
  if (!found) throw new ArchiveError('the archive has no package.json in its first-level directory');
  return parseManifest(found);
}

/** @throws ArchiveError for members that no honest package has */
function isManifest(member: TarMember): boolean {
  const shown = JSON.stringify(member.path.slice(0, 200));
  const danger = pathEscapes(member.path);
  if (danger) throw new ArchiveError(`the archive has a member with ${danger}: ${shown}`);
  if (!plainTypes.has(member.type) && !passedOver.has(member.type)) {
    throw new ArchiveError(`the archive has a member of type ${member.type}: ${shown}`);
  }
  const [, ...inside] = member.path.split('/');
  const path = inside.filter((segment) => segment !== '' && segment !== '.').join('/');
  if (path.toLowerCase() !== 'package.json' || member.type === 'directory') return false;
  if (path !== 'package.json') throw new ArchiveError(`the archive has a package.json in another spelling: ${shown}`);
  if (!plainTypes.has(member.type)) throw new ArchiveError(`package.json is a ${member.type}`);
  return true;
}

function parseManifest(bytes: Buffer): PackageManifest {
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch (cause) {
    throw new ArchiveError('package.json is not JSON in UTF-8', { cause });
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new ArchiveError('package.json is not an object');
  }
  const fields = value as Record<string, unknown>;
  if (typeof fields.name !== 'string' || typeof fields.version !== 'string') {
    throw new ArchiveError('package.json has no name or no version');
  }
  const kept = keptFields.flatMap((name) => {
    const value = typeof fields[name] === 'string' ? fields[name].slice(0, longestField) : fields[name];
    return value === undefined || JSON.stringify(value).length > 8 * longestField ? [] : [[name, value] as const];
  });
  return { name: fields.name, version: fields.version, fields: Object.fromEntries(kept) };
}

/** What the report says of a package, from its own manifest. */
export function manifestMetadata({ name, version, fields }: PackageManifest, host: string): Partial<ArtifactMetadata> {
  const { scope, unscoped } = splitName(name);
  const author = person(fields.author);
  return {
    type: 'application/x.npm.package',
    name,
    version,
    vendor: host,
    description: plain(fields.description),
    author: author.name,
    ...(author.email && { 'author-email': author.email }),
    license: normalizeLicense(licenseText(fields)),
    purl: formatPurl({ type: 'npm', namespace: scope, name: unscoped, version }),
  };
}

/** `Name <email> (url)`, or the same as an object. */
function person(value: unknown): { name: string; email: string } {
  if (typeof value === 'object' && value !== null) {
    const { name, email } = value as Record<string, unknown>;
    return { name: plain(name), email: plain(email) };
  }
  const match = /^([^<(]*)(?:<([^>]*)>)?/.exec(plain(value));
  return { name: (match?.[1] ?? '').trim(), email: (match?.[2] ?? '').trim() };
}

/** `license`, or the forms of old: an object, a list of them under `licenses`. */
function licenseText({ license, licenses }: Readonly<Record<string, unknown>>): string {
  const one = (value: unknown): string =>
    plain(typeof value === 'object' && value !== null ? (value as Record<string, unknown>).type : value);
  if (license !== undefined) return one(license);
  const all = (Array.isArray(licenses) ? licenses : [licenses]).map(one).filter((text) => text !== '');
  return all.length > 1 ? `(${all.map(normalizeLicense).join(' OR ')})` : (all[0] ?? '');
}

function plain(value: unknown): string {
  return typeof value === 'string' ? stripControl(value.slice(0, 1000)).replace(/\s+/g, ' ').trim() : '';
}
