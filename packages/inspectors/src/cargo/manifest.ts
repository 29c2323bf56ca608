import type { Readable } from 'node:stream';
import type { ArtifactMetadata } from '@waybill/contracts';
import { formatPurl, stripControl } from '@waybill/contracts';
import { parse } from 'smol-toml';
import { ArchiveError, type ArchiveLimits } from '../archive/expand.js';
import { pathEscapes, walkTar } from '../archive/tar.js';
import { normalizeLicense } from '../license.js';

/** A crate's `Cargo.toml` as far as it matters here. */
export interface CrateManifest {
  readonly name: string;
  readonly version: string;
  readonly fields: Readonly<Record<string, unknown>>;
}

/** Larger manifests are hostile. */
const manifestBytes = 4 * 2 ** 20;
const unpacked: ReadonlySet<string> = new Set(['file', 'contiguous-file', 'directory']);

/**
 * Reads `<name>-<version>/Cargo.toml` of a crate. cargo unpacks nothing outside of that directory, and nothing but files and
 * directories; the whole archive is walked because the last of two members of a name would win.
 * @throws ArchiveError
 */
export async function readCrateManifest(
  crate: Readable,
  options: { readonly limits: ArchiveLimits; readonly signal: AbortSignal },
): Promise<CrateManifest> {
  let found: { readonly directory: string; readonly bytes: Buffer } | undefined;
  let directory: string | undefined;
  await walkTar(
    crate,
    async (member) => {
      const shown = JSON.stringify(member.path.slice(0, 200));
      const danger = pathEscapes(member.path);
      if (danger) throw new ArchiveError(`the archive has a member with ${danger}: ${shown}`);
      if (!unpacked.has(member.type))
        throw new ArchiveError(`the archive has a member of type ${member.type}: ${shown}`);
      const [first = '', ...inside] = member.path.split('/').filter((segment) => segment !== '' && segment !== '.');
      directory ??= first;
      if (first !== directory) throw new ArchiveError(`the archive has more than one directory: ${shown}`);
      const path = inside.join('/');
      if (path.toLowerCase() !== 'cargo.toml') return;
      if (path !== 'Cargo.toml') throw new ArchiveError(`the archive has a Cargo.toml in another spelling: ${shown}`);
      if (found) throw new ArchiveError('the archive has two Cargo.toml');
      found = { directory: first, bytes: await member.read(manifestBytes) };
    },
    options,
  );
  if (!found) throw new ArchiveError('the archive has no Cargo.toml in its directory');
  const manifest = parseManifest(found.bytes);
  const wanted = `${manifest.name}-${manifest.version}`;
  if (found.directory !== wanted) {
    throw new ArchiveError(
      `the archive's directory is ${JSON.stringify(found.directory.slice(0, 200))}, not ${wanted}`,
    );
  }
  return manifest;
}

function parseManifest(bytes: Buffer): CrateManifest {
  let value: Record<string, unknown>;
  try {
    value = parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes)) as Record<string, unknown>;
  } catch (cause) {
    throw new ArchiveError('Cargo.toml is not TOML in UTF-8', { cause });
  }
  const fields = value.package ?? value.project;
  if (typeof fields !== 'object' || fields === null) throw new ArchiveError('Cargo.toml has no [package]');
  const { name, version } = fields as Record<string, unknown>;
  if (typeof name !== 'string' || typeof version !== 'string') {
    throw new ArchiveError('Cargo.toml has no name or no version');
  }
  return { name, version, fields: fields as Record<string, unknown> };
}

/** What the report says of a crate, from its own manifest. */
export function crateMetadata({ name, version, fields }: CrateManifest, host: string): Partial<ArtifactMetadata> {
  const authors = Array.isArray(fields.authors) ? fields.authors.map(plain).filter((author) => author !== '') : [];
  return {
    type: 'application/x.rust.crate',
    name,
    version,
    vendor: host,
    description: plain(fields.description),
    author: authors.join(', ').slice(0, 1000),
    // `MIT/Apache-2.0` is how crates of old say OR.
    license: normalizeLicense(plain(fields.license).replaceAll('/', ' OR ')),
    purl: formatPurl({ type: 'cargo', name, version }),
  };
}

function plain(value: unknown): string {
  return typeof value === 'string' ? stripControl(value.slice(0, 1000)).replace(/\s+/g, ' ').trim() : '';
}
