import type { ArtifactView, Digest, InspectionContext, InspectorsConfig } from '@waybill/contracts';
import type { Inspector } from '../inspector.js';
import { approved, pending, rejected, rejectedRequest } from '../opinions.js';
import { type Descriptor, type ImageManifest, manifestKind, registryScope } from './image-manifest.js';
import { locateImage, matchingRegistries, type OciRegistry, ociRegistries } from './registries.js';

interface Expected {
  readonly registries: readonly OciRegistry[];
  /** In the URL; undefined where the registry redirects to. */
  readonly digest: string | undefined;
  readonly name: string | undefined;
}

interface Listed {
  readonly descriptor: Descriptor;
  readonly sha256: string;
  readonly manifest: string;
}

/**
 * Layers and configurations of images. Approved when the bytes have a digest that a manifest of the session lists.
 * docs/inspectors/oci.blob.md
 */
export function ociBlob(config: InspectorsConfig): Inspector<Expected> {
  const registries = ociRegistries(config);
  return {
    id: 'oci.blob',
    inspectRequest(request) {
      const located = locateImage(registries, request);
      const redirected = located ? [] : matchingRegistries(registries, 'blobs', request);
      if (located?.resource.kind === 'upload') {
        return rejectedRequest(`an upload to ${located.resource.name}: a build only reads images`, {
          registry: located.registry.id,
        });
      }
      if (located ? located.resource.kind !== 'blob' : redirected.length === 0) return undefined;
      const isBlob = located?.resource.kind === 'blob';
      const expected: Expected = {
        registries: located ? [located.registry] : redirected,
        digest: isBlob ? located.resource.digest : undefined,
        name: isBlob ? located.resource.name : undefined,
      };
      const notes = {
        registry: expected.registries.map(({ id }) => id).join(', '),
        ...(expected.name !== undefined && { repository: expected.name, digest: expected.digest ?? '' }),
      };
      if (request.method !== 'GET' && request.method !== 'HEAD') {
        return rejectedRequest(`${request.method} of a blob: a build only reads images`, notes);
      }
      return pending(`a blob from ${notes.registry}`, expected, notes);
    },
    async vouchedDigests(_request, expected, context) {
      if (expected.digest === undefined) return [];
      const listed = await findListed(expected.registries, (digest) => digest === expected.digest, context);
      return listed.map(({ descriptor, sha256, manifest }) => ({
        digests: [toDigest(descriptor.digest)],
        size: descriptor.size,
        vouchedBy: { kind: 'artifact', sha256, inspector: manifestKind, name: manifest },
      }));
    },
    async inspectArtifact(artifact, expected, context) {
      if (!expected) return undefined;
      const own = await ownDigests(artifact, expected);
      if (expected.digest !== undefined && !own.includes(expected.digest)) {
        return rejected(`expected the blob ${expected.digest}, found ${own[0]}`, {
          hint: 'the registry hands out other bytes: do not use them',
        });
      }
      const [found] = await findListed(expected.registries, (digest) => own.includes(digest), context);
      if (!found) {
        return rejected(`no manifest of this session lists the blob ${expected.digest ?? own[0]}`, {
          hint: 'fetch the image by its tag or digest in the same session first',
        });
      }
      const { descriptor, sha256, manifest } = found;
      if (descriptor.size !== artifact.size) {
        return rejected(`expected ${descriptor.size} bytes of ${descriptor.digest}, found ${artifact.size}`);
      }
      return approved(`the blob ${descriptor.digest} as ${manifest} lists it`, {
        metadata: {
          type: descriptor.mediaType,
          name: expected.name ?? manifest,
          vendor: expected.registries[0]?.host ?? '',
          'content-id': descriptor.digest,
        },
        vouchedBy: [{ kind: 'artifact', sha256, inspector: manifestKind, name: manifest }],
      });
    },
  };
}

async function findListed(
  registries: readonly OciRegistry[],
  isWanted: (digest: string) => boolean,
  context: InspectionContext,
): Promise<Listed[]> {
  const found: Listed[] = [];
  for (const registry of registries) {
    for (const { ref, value } of await context.catalogs<ImageManifest>(registryScope(registry.id))) {
      const descriptor = value.children.find(({ digest }) => isWanted(digest));
      if (descriptor) found.push({ descriptor, sha256: ref.sha256, manifest: ref.name });
    }
  }
  return found;
}

/** sha512 only where it may matter: it is not computed for every body. */
async function ownDigests(artifact: ArtifactView, { digest }: Expected): Promise<string[]> {
  const sha256 = `sha256:${artifact.digests.sha256}`;
  return digest?.startsWith('sha512:') ? [`sha512:${await artifact.digest('sha512')}`] : [sha256];
}

function toDigest(text: string): Digest {
  const [algorithm, hex = ''] = text.split(':') as ['sha256' | 'sha512', string];
  return { algorithm, hex };
}
