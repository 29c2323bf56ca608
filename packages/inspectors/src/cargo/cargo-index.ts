import type { ArtifactInspection, ArtifactView, InspectorsConfig, VouchLink } from '@waybill/contracts';
import { formatPurl } from '@waybill/contracts';
import type { Inspector } from '../inspector.js';
import { JsonProjectionError, projectJson } from '../json-projection.js';
import { offerWithValue } from '../offer.js';
import { approved, pending, rejected, rejectedRequest } from '../opinions.js';
import { CargoIndexError, cargoIndexKind, cargoIndexParser, crateScope, readIndexLines } from './index-lines.js';
import { type IndexResource, parseIndexPath } from './index-path.js';
import { type CargoRegistry, cargoRegistries, locateInIndex } from './registries.js';

interface Expected {
  readonly registry: CargoRegistry;
  readonly resource: Exclude<IndexResource, { kind: 'git' }>;
}

/**
 * `config.json` and the index files of sparse registries. Approved by trust in the origin; index files vouch for the sha256 of
 * crates. docs/inspectors/cargo.index.md
 */
export function cargoIndex(config: InspectorsConfig): Inspector<Expected> {
  const registries = cargoRegistries(config);
  return {
    id: cargoIndexKind,
    catalogs: [cargoIndexParser],
    inspectRequest(request) {
      const located = locateInIndex(registries, request.normalizedUrl);
      const resource = located && parseIndexPath(located.path);
      if (!located || !resource) return undefined;
      const { registry } = located;
      if (resource.kind === 'git') {
        const reason = `the index of ${registry.id} as a git repository cannot be verified; use sparse+ and its URL`;
        return rejectedRequest(reason, { registry: registry.id });
      }
      const notes = {
        registry: registry.id,
        'is-config': resource.kind === 'config',
        ...(resource.kind === 'crate' && { package: resource.name }),
      };
      const what = resource.kind === 'config' ? 'the configuration' : `the index of ${resource.name}`;
      if (request.method !== 'GET' && request.method !== 'HEAD') {
        return rejectedRequest(`${request.method} of ${what}: a build only reads it`, notes);
      }
      return pending(`${what} from ${registry.id}`, { registry, resource }, notes);
    },
    async inspectArtifact(artifact, expected) {
      if (!expected) return undefined;
      const { registry, resource } = expected;
      try {
        return resource.kind === 'config'
          ? await inspectConfig(artifact, registry)
          : await inspectLines(artifact, registry, resource.name);
      } catch (error) {
        if (error instanceof CargoIndexError) return rejected(`the index of ${nameOf(resource)}: ${error.message}`);
        if (error instanceof JsonProjectionError) return rejected(`expected config.json, found: ${error.message}`);
        throw error;
      }
    },
  };
}

/** The trust root of everything an index says. */
function originLink(registry: CargoRegistry): VouchLink {
  return { kind: 'origin', id: registry.id, name: registry.host };
}

async function inspectLines(
  artifact: ArtifactView,
  registry: CargoRegistry,
  name: string,
): Promise<ArtifactInspection> {
  const listing = await readIndexLines(artifact.open(), name);
  const offer = { scope: crateScope(registry.id, name), kind: cargoIndexKind, attributes: { name } };
  return approved(`the index of ${listing.name} from the configured registry ${registry.id}`, {
    metadata: {
      type: 'application/x.rust.index',
      name: `index of ${listing.name}`,
      vendor: registry.host,
      author: registry.host,
      purl: formatPurl({ type: 'cargo', name: listing.name }),
    },
    vouchedBy: [originLink(registry)],
    provides: [offerWithValue(offer, listing)],
    annotations: { versions: listing.checksums.size, ...(listing.yanked > 0 && { yanked: listing.yanked }) },
  });
}

async function inspectConfig(artifact: ArtifactView, registry: CargoRegistry): Promise<ArtifactInspection> {
  const found = new Map<string, unknown>();
  await projectJson(
    artifact.open(),
    {
      select: (path) => (path.length === 0 ? 'enter' : 'take'),
      take: ([key = ''], value) => void found.set(key, value),
    },
    { maxBytes: 1024 * 1024, maxValueBytes: 64 * 1024 },
  );
  const [dl, api] = [found.get('dl'), found.get('api')];
  if (typeof dl !== 'string' || dl === '') return rejected('expected config.json of a registry, found no `dl` in it');
  const vendor = typeof api === 'string' && api !== '' ? api : registry.host;
  return approved(`the configuration of the configured registry ${registry.id}`, {
    metadata: { type: 'application/x.rust.index-config', name: 'config.json', vendor, author: vendor },
    vouchedBy: [originLink(registry)],
    annotations: { downloads: dl.slice(0, 500), 'auth-required': found.get('auth-required') === true },
  });
}

function nameOf(resource: Expected['resource']): string {
  return resource.kind === 'crate' ? resource.name : 'the registry';
}
