import { buffer } from 'node:stream/consumers';
import type {
  ArtifactInspection,
  ArtifactView,
  InspectionContext,
  InspectorsConfig,
  VouchLink,
} from '@waybill/contracts';
import { formatPurl } from '@waybill/contracts';
import type { Inspector } from '../inspector.js';
import { offerWithValue } from '../offer.js';
import { approved, pending, rejected, rejectedRequest } from '../opinions.js';
import { findSignature } from './cosign.js';
import type { OciResource } from './distribution-path.js';
import {
  describedBy,
  type ImageManifest,
  ManifestError,
  manifestBytes,
  manifestKind,
  manifestParser,
  readManifest,
  registryScope,
} from './image-manifest.js';
import { type LocatedImage, locateImage, ociRegistries } from './registries.js';

type Located = LocatedImage<Extract<OciResource, { kind: 'manifest' | 'referrers' }>>;

/**
 * Manifests and indexes by tag or digest, and lists of referrers. By digest the bytes prove themselves; a tag is trust in the
 * registry, or a signature where it has keys. They vouch for what they list. docs/inspectors/oci.manifest.md
 */
export function ociManifest(config: InspectorsConfig): Inspector<Located> {
  const registries = ociRegistries(config);
  return {
    id: manifestKind,
    catalogs: [manifestParser],
    inspectRequest(request) {
      const located = locateImage(registries, request);
      if (located?.resource.kind !== 'manifest' && located?.resource.kind !== 'referrers') return undefined;
      const { registry, resource } = located as Located;
      const reference = resource.kind === 'manifest' ? resource.reference : resource.digest;
      const notes = { registry: registry.id, repository: resource.name, reference };
      if (request.method !== 'GET' && request.method !== 'HEAD') {
        return rejectedRequest(`${request.method} of a manifest of ${resource.name}: a build only reads images`, notes);
      }
      return pending(`${resource.kind} ${resource.name}:${reference} from ${registry.id}`, located as Located, notes);
    },
    async inspectArtifact(artifact, located, context) {
      if (!located) return undefined;
      const { resource } = located;
      try {
        if (artifact.size > manifestBytes) throw new ManifestError(`more than ${manifestBytes} bytes`);
        const whole = await buffer(artifact.openRaw());
        const bytes = whole;
        const declared = artifact.mediaType === 'application/json' ? undefined : artifact.mediaType;
        const manifest = readManifest(bytes.toString('utf8'), declared);
        return await judge(artifact, { located, manifest }, context);
      } catch (error) {
        if (!(error instanceof ManifestError)) throw error;
        return rejected(`the ${resource.kind} of ${resource.name}: ${error.message}`);
      }
    },
  };
}

async function judge(
  artifact: ArtifactView,
  { located, manifest }: { readonly located: Located; readonly manifest: ImageManifest },
  context: InspectionContext,
): Promise<ArtifactInspection> {
  const { registry, resource } = located;
  const digest = await digestOf(artifact, resource.kind === 'manifest' ? resource.digest : undefined);
  if (resource.kind === 'manifest' && resource.digest !== undefined && resource.digest !== digest) {
    return rejected(`expected ${resource.name}@${resource.digest}, found ${digest}`, {
      hint: 'the registry hands out another image: do not use it',
    });
  }
  const listed = (await context.catalogs<ImageManifest>(registryScope(registry.id))).find(({ value }) =>
    value.children.some((child) => child.digest === digest),
  );
  const links: VouchLink[] = listed
    ? [{ kind: 'artifact', sha256: listed.ref.sha256, inspector: manifestKind, name: listed.ref.name }]
    : [{ kind: 'origin', id: registry.id, name: registry.host }];
  // Signatures are of the image itself; what a signed index lists is signed with it.
  const isSignature = resource.kind === 'manifest' && /^sha256-[0-9a-f]{64}\.(sig|att|sbom)$/.test(resource.reference);
  if (registry.keys.length > 0 && !listed && !isSignature && resource.kind === 'manifest') {
    const signature = await findSignature({ registry, name: resource.name, digest }, context);
    if (typeof signature === 'string') return rejected(signature);
    links.splice(0, links.length, signature);
  }
  const short = resource.name.slice(resource.name.lastIndexOf('/') + 1);
  const namespace = resource.name.includes('/') ? resource.name.slice(0, resource.name.lastIndexOf('/')) : '';
  const tag = resource.kind === 'manifest' && resource.digest === undefined ? resource.reference : undefined;
  const about = describedBy(manifest.annotations);
  return approved(
    `${manifest.kind} ${resource.name}${tag ? `:${tag}` : ''} is ${digest}${resource.kind === 'manifest' && resource.digest ? ', as asked for' : ''}`,
    {
      metadata: {
        type: manifest.mediaType,
        name: resource.name,
        ...about,
        version: about.version || tag || '',
        vendor: registry.host,
        'content-id': digest,
        purl: formatPurl({
          type: 'oci',
          name: short,
          version: digest,
          qualifiers: {
            repository_url: `${registry.host}/${namespace ? `${namespace}/` : ''}${short}`,
            ...(tag && { tag }),
          },
        }),
      },
      vouchedBy: links,
      provides: [
        offerWithValue(
          { scope: registryScope(registry.id), kind: manifestKind, attributes: { type: manifest.mediaType } },
          manifest,
        ),
      ],
      annotations: { digest, kind: manifest.kind, entries: manifest.children.length, ...(tag && { tag }) },
    },
  );
}

async function digestOf(artifact: ArtifactView, wanted: string | undefined): Promise<string> {
  return wanted?.startsWith('sha512:')
    ? `sha512:${await artifact.digest('sha512')}`
    : `sha256:${artifact.digests.sha256}`;
}
