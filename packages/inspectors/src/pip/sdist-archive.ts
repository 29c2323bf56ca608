import { ArchiveError, type ArchiveLimits } from '../archive/expand.js';
import { pathEscapes, walkTar } from '../archive/tar.js';
import { walkZip, type ZipSource } from '../archive/zip.js';
import { type CoreMetadata, metadataBytes, readCoreMetadata } from './core-metadata.js';

interface Options {
  readonly limits: ArchiveLimits;
  readonly signal: AbortSignal;
}

/**
 * Reads `<directory>/PKG-INFO` of a source archive, a tar in gzip or a zip.
 * @throws ArchiveError
 * @see PEP 625, PEP 643
 */
export async function readSdist(source: ZipSource, form: 'tar' | 'zip', options: Options): Promise<CoreMetadata> {
  let found: Buffer | undefined;
  const visit = async (member: { readonly path: string; read(maxBytes: number): Promise<Buffer> }) => {
    const danger = pathEscapes(member.path);
    if (danger)
      throw new ArchiveError(`the archive has a member with ${danger}: ${JSON.stringify(member.path.slice(0, 200))}`);
    const segments = member.path.split('/').filter((segment) => segment !== '' && segment !== '.');
    if (segments.length !== 2 || segments[1] !== 'PKG-INFO') return;
    if (found) throw new ArchiveError('the archive has two PKG-INFO in first-level directories');
    found = await member.read(metadataBytes);
  };
  if (form === 'zip') await walkZip(source, visit, options);
  else await walkTar(source.openRaw(), visit, options);
  if (!found) throw new ArchiveError('the archive has no PKG-INFO in its first-level directory');
  return readCoreMetadata(found, 'PKG-INFO');
}
