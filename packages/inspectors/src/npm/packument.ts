import type {
  ArtifactInspection,
  ArtifactView,
  CatalogOffer,
  InspectionContext,
  InspectorsConfig,
  JsonValue,
  VouchLink,
} from '@waybill/contracts';
import { formatPurl } from '@waybill/contracts';
import type { Inspector } from '../inspector.js';
import { JsonProjectionError, projectJson } from '../json-projection.js';
import { offerWithValue } from '../offer.js';
import { approved, pending, rejected, rejectedRequest } from '../opinions.js';
import {
  hasOddTarballs,
  oddTarballScope,
  packumentKind,
  packumentParser,
  packumentScope,
  toCatalog,
} from './packument-catalog.js';
import { type PackumentDocument, packumentDerivation, readPackument } from './packument-document.js';
import { locate, npmRegistries, type Registry } from './registries.js';
import { isVersion, type NpmResource, parseRegistryPath, splitName } from './registry-path.js';

type Metadata = Exclude<NpmResource, { kind: 'tarball' }>;

interface Expected {
  readonly registry: Registry;
  readonly resource: Metadata;
}

/**
 * Packuments (full and abbreviated), single versions' documents and dist-tags of configured registries. Approved by trust in
 * the origin; vouch for the digests of tarballs. docs/inspectors/npm.packument.md
 */
export function npmPackument(config: InspectorsConfig): Inspector<Expected> {
  const registries = npmRegistries(config);
  return {
    id: packumentKind,
    catalogs: [packumentParser],
    inspectRequest(request) {
      const located = locate(registries, request.normalizedUrl);
      const resource = located && parseRegistryPath(located.path);
      if (!located || !resource || resource.kind === 'tarball') return undefined;
      const notes = { registry: located.registry.id, package: resource.name, resource: resource.kind };
      if (request.method !== 'GET' && request.method !== 'HEAD') {
        return rejectedRequest(
          `${request.method} changes ${resource.name} in the registry; a build only reads it`,
          notes,
        );
      }
      return pending(
        `${resource.kind} of ${resource.name} from ${located.registry.id}`,
        { registry: located.registry, resource },
        notes,
      );
    },
    async inspectArtifact(artifact, expected, context) {
      if (!expected) return undefined;
      const { registry, resource } = expected;
      try {
        return resource.kind === 'dist-tags'
          ? await inspectTags(artifact, registry, resource.name)
          : inspectDocument(await readDocument(artifact, context), registry, resource);
      } catch (error) {
        const isOurs = error instanceof JsonProjectionError || error instanceof SyntaxError;
        if (!isOurs) throw error;
        return rejected(`expected the ${resource.kind} of ${resource.name} as JSON: ${error.message}`);
      }
    },
  };
}

/** By the digest of the bytes, unless those are encoded: their digest would have to be computed first. */
function readDocument(artifact: ArtifactView, context: InspectionContext): Promise<PackumentDocument> {
  const read = () => readPackument(artifact.open());
  if (artifact.contentEncoding !== undefined) return read();
  return context.derived(packumentDerivation, artifact.digests.sha256, read);
}

function inspectDocument(
  document: PackumentDocument,
  registry: Registry,
  resource: Extract<Metadata, { kind: 'packument' | 'version' }>,
): ArtifactInspection {
  const fault = documentFault(document, resource);
  if (fault) return rejected(fault);
  const catalog = toCatalog(document, resource.name);
  const offer = (scope: string): CatalogOffer =>
    offerWithValue({ scope, kind: packumentKind, attributes: { name: resource.name } }, catalog);
  const odd = hasOddTarballs(catalog) ? [offer(oddTarballScope(registry))] : [];
  return approved(`${resource.kind} of ${resource.name} from the configured registry ${registry.id}`, {
    metadata: metadataOf(document, registry, resource),
    vouchedBy: [originLink(registry)],
    provides: catalog.versions.size > 0 ? [offer(packumentScope(registry, resource.name)), ...odd] : [],
    annotations: { versions: catalog.versions.size, ...(document.unpublished && { unpublished: true }) },
  });
}

/** What is wrong with a document for this request, or undefined. */
function documentFault(
  document: PackumentDocument,
  resource: Extract<Metadata, { kind: 'packument' | 'version' }>,
): string | undefined {
  if (document.name !== resource.name) {
    const found =
      document.name === undefined ? 'one without a name' : `one of ${JSON.stringify(document.name.slice(0, 214))}`;
    return `expected the ${resource.kind} of ${resource.name}, found ${found}`;
  }
  if (document.contradictions.length > 0)
    return `the packument contradicts itself: ${document.contradictions.join('; ')}`;
  if (resource.kind === 'packument') {
    const bad = [...document.versions.keys()].find((version) => !isVersion(version));
    if (bad !== undefined) return `the packument lists ${JSON.stringify(bad.slice(0, 100))}, which is not a version`;
    if (document.version !== undefined)
      return `expected a packument of ${resource.name}, found the document of one version`;
    if (document.versions.size === 0 && !document.unpublished)
      return `the packument of ${resource.name} lists no version`;
    return undefined;
  }
  if (document.version === undefined || !isVersion(document.version))
    return `the document of ${resource.name} names no version`;
  if (isVersion(resource.spec) && document.version !== resource.spec) {
    return `expected ${resource.name}@${resource.spec}, found ${document.version}`;
  }
  return undefined;
}

/** dist-tags are a flat object of tag → version. */
async function inspectTags(artifact: ArtifactView, registry: Registry, name: string): Promise<ArtifactInspection> {
  const tags = new Map<string, JsonValue>();
  await projectJson(
    artifact.open(),
    {
      select: (path) => (path.length === 0 ? 'enter' : 'take'),
      take: ([tag = ''], version) => void tags.set(tag, version),
    },
    { maxBytes: 4 * 2 ** 20, maxValueBytes: 1024 },
  );
  for (const [tag, version] of tags) {
    if (typeof version === 'string' && isVersion(version)) continue;
    return rejected(`expected dist-tags of ${name}, but ${JSON.stringify(tag.slice(0, 100))} is no version`);
  }
  return approved(`dist-tags of ${name} from the configured registry ${registry.id}`, {
    metadata: { type: 'application/x.npm.dist-tags', name, vendor: registry.host },
    vouchedBy: [originLink(registry)],
    annotations: { tags: tags.size },
  });
}

/** The trust root of everything a registry says of its packages. */
export function originLink(registry: Registry): VouchLink {
  return { kind: 'origin', id: registry.id, name: registry.host };
}

function metadataOf(document: PackumentDocument, registry: Registry, resource: Metadata) {
  const { scope, unscoped } = splitName(resource.name);
  return {
    type: 'application/x.npm.packument',
    name: resource.name,
    ...(document.version !== undefined && { version: document.version }),
    description: (document.description ?? '').slice(0, 1000),
    vendor: registry.host,
    purl: formatPurl({ type: 'npm', namespace: scope, name: unscoped, version: document.version }),
  };
}
