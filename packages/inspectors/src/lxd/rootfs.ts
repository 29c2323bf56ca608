import type { ArtifactView, Catalog, InspectionContext, InspectorsConfig } from '@waybill/contracts';
import { ArchiveError, archiveLimits } from '../archive/expand.js';
import { pathEscapes, walkTar } from '../archive/tar.js';
import type { Inspector } from '../inspector.js';
import { approved, pending, rejected, rejectedRequest } from '../opinions.js';
import { readYamlMap, toMap, type YamlMap } from '../yaml-map.js';
import type { ImageItem } from './products.js';
import { type LocatedImage, locateImage, lxdServers } from './servers.js';
import { productsKind, productsScope } from './streams.js';

const yamlBytes = 1 << 20;
/** Images are larger than packages. */
const limits = { ...archiveLimits, maxBytes: 32 * 2 ** 30, maxEntries: 2_000_000 };

interface Listed {
  readonly item: ImageItem;
  readonly catalog: Catalog;
}

/** Images of a configured server. Approved by the sha256 that a catalog of the session lists for them. docs/inspectors/lxd.rootfs.md */
export function lxdRootfs(config: InspectorsConfig): Inspector<LocatedImage> {
  const servers = lxdServers(config);
  return {
    id: 'lxd.rootfs',
    inspectRequest(request) {
      const located = locateImage(servers, request);
      if (!located || /(^|\/)(streams|meta)\//.test(located.path) || /(^|\/)$/.test(located.path)) return undefined;
      const notes = { server: located.server.id };
      if (request.method !== 'GET' && request.method !== 'HEAD')
        return rejectedRequest(`${request.method} of an image`, notes);
      return pending(`a file of an image of ${located.server.id}`, located, notes);
    },
    async vouchedDigests(_request, located, context) {
      const listed = await findListed(located, context);
      return listed.map(({ item, catalog: { ref } }) => ({
        digests: [{ algorithm: 'sha256', hex: item.sha256 }],
        size: item.size,
        vouchedBy: { kind: 'artifact', sha256: ref.sha256, inspector: productsKind, name: ref.name },
      }));
    },
    async inspectArtifact(artifact, located, context) {
      if (!located) return undefined;
      const listed = await findListed(located, context);
      if (listed.length === 0) {
        return rejected(`no catalog of this session lists ${located.path}`, {
          hint: 'fetch the catalog (streams/v1/…:download.json) of the same server in the same session first',
        });
      }
      const found = listed.find(({ item }) => item.sha256 === artifact.digests.sha256);
      if (!found)
        return rejected(
          `expected the sha256 ${listed
            .map(({ item }) => item.sha256)
            .slice(0, 4)
            .join(' or ')}, found ${artifact.digests.sha256}`,
        );
      const { item, catalog } = found;
      if (item.size !== undefined && item.size !== artifact.size)
        return rejected(`expected ${item.size} bytes, found ${artifact.size}`);
      try {
        const about = isGzip(item.path) ? await readImage(artifact, context.signal) : undefined;
        return approved(`${item.type} of ${item.product} ${item.version}, as the catalog lists it`, {
          metadata: {
            type: isGzip(item.path) ? 'application/x.canonical.lxd-rootfs' : '',
            name: located.path.split('/').at(-1) ?? '',
            version: about?.text('creation_date') || item.version,
            description: item.product,
            architecture: about?.text('architecture') ?? '',
            vendor: located.server.host,
          },
          vouchedBy: [
            { kind: 'artifact', sha256: catalog.ref.sha256, inspector: productsKind, name: catalog.ref.name },
          ],
          annotations: {
            product: item.product,
            version: item.version,
            item: item.type,
            ...(about && { os: osOf(about) }),
          },
        });
      } catch (error) {
        if (!(error instanceof ArchiveError)) throw error;
        return rejected(`expected the image of a system: ${error.message}`);
      }
    },
  };
}

/** Only archives in gzip are looked into; squashfs, disks and their like are what the digest says. */
function isGzip(path: string): boolean {
  return /\.(tar\.gz|tgz)$/.test(path);
}

async function findListed({ server, path }: LocatedImage, context: InspectionContext): Promise<Listed[]> {
  const found: Listed[] = [];
  for (const catalog of await context.catalogs<readonly ImageItem[]>(productsScope(server))) {
    const root = catalog.ref.attributes?.root ?? '';
    for (const item of catalog.value)
      if (root + item.path === path || item.path === path) found.push({ item, catalog });
  }
  return found;
}

async function readImage(artifact: ArtifactView, signal: AbortSignal): Promise<YamlMap> {
  let yaml: YamlMap | undefined;
  let hasRootfs = false;
  await walkTar(
    artifact.openRaw(),
    async (member) => {
      const path = member.path.replace(/^\.\//, '');
      const danger = pathEscapes(path);
      if (danger) throw new ArchiveError(`a member with ${danger}: ${JSON.stringify(path.slice(0, 200))}`);
      if (path === 'rootfs' || path.startsWith('rootfs/')) hasRootfs = true;
      if (path !== 'metadata.yaml' || member.type !== 'file') return;
      if (yaml) throw new ArchiveError('two metadata.yaml');
      const bytes = await member.read(yamlBytes);
      try {
        yaml = readYamlMap(bytes.toString('utf8'), 'metadata.yaml');
      } catch (error) {
        throw new ArchiveError((error as Error).message);
      }
    },
    { limits, signal },
  );
  if (!yaml) throw new ArchiveError('no metadata.yaml');
  if (!hasRootfs) throw new ArchiveError('no rootfs/');
  if (yaml.text('architecture') === '' || osOf(yaml) === '')
    throw new ArchiveError('metadata.yaml has no architecture or properties.os');
  return yaml;
}

function osOf(yaml: YamlMap): string {
  const properties = yaml.value('properties');
  if (typeof properties !== 'object' || properties === null || Array.isArray(properties)) return '';
  return toMap(properties as Record<string, unknown>).text('os');
}
