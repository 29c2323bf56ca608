import { createHash, createPublicKey, verify } from 'node:crypto';
import type { InspectionContext, VouchLink } from '@waybill/contracts';
import { ManifestError, manifestBytes, readManifest } from './image-manifest.js';
import type { OciRegistry } from './registries.js';

const payloadType = 'application/vnd.dev.cosign.simplesigning.v1+json';
const signatureAnnotation = 'dev.cosignproject.cosign/signature';
const payloadBytes = 64 * 1024;
const mostSignatures = 8;

/**
 * Looks for a cosign signature of an image by one of the registry's keys: the manifest tagged `sha256-<hex>.sig`, a layer of it
 * as payload, the signature in the layer's annotation. The link, or why there is none.
 * @see https://github.com/sigstore/cosign/blob/main/specs/SIGNATURE_SPEC.md
 */
export async function findSignature(
  { registry, name, digest }: { readonly registry: OciRegistry; readonly name: string; readonly digest: string },
  context: InspectionContext,
): Promise<VouchLink | string> {
  const tag = `${digest.replace(':', '-')}.sig`;
  const bytes = await context.companion(new URL(`v2/${name}/manifests/${tag}`, registry.url), manifestBytes);
  if (!bytes) return `${registry.id} has keys, and ${name} has no signature of ${digest}`;
  let layers: ReturnType<typeof readManifest>['children'];
  try {
    layers = readManifest(Buffer.from(bytes).toString('utf8')).children.filter(
      ({ mediaType }) => mediaType === payloadType,
    );
  } catch (error) {
    if (!(error instanceof ManifestError)) throw error;
    return `the signatures of ${digest} are ${error.message}`;
  }
  for (const layer of layers.slice(0, mostSignatures)) {
    const signature = layer.annotations[signatureAnnotation];
    if (signature === undefined) continue;
    const payload = await context.companion(new URL(`v2/${name}/blobs/${layer.digest}`, registry.url), payloadBytes);
    if (!payload || `sha256:${createHash('sha256').update(payload).digest('hex')}` !== layer.digest) continue;
    if (signedDigest(payload) !== digest) continue;
    for (const [at, pem] of registry.keys.entries()) {
      if (isSigned(payload, Buffer.from(signature, 'base64'), pem)) {
        const id = createHash('sha256')
          .update(createPublicKey(pem).export({ type: 'spki', format: 'der' }))
          .digest('hex')
          .toUpperCase();
        return { kind: 'key', id, name: `${registry.id}.keys[${at}]` };
      }
    }
  }
  return `no signature of ${digest} is by a key of ${registry.id}`;
}

function signedDigest(payload: Uint8Array): unknown {
  try {
    return JSON.parse(Buffer.from(payload).toString('utf8'))?.critical?.image?.['docker-manifest-digest'];
  } catch {
    return undefined;
  }
}

function isSigned(payload: Uint8Array, signature: Buffer, pem: string): boolean {
  try {
    const key = createPublicKey(pem);
    return verify(key.asymmetricKeyType === 'ed25519' ? null : 'sha256', payload, key, signature);
  } catch {
    return false;
  }
}
