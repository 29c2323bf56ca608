import { buffer } from 'node:stream/consumers';
import type { CatalogParser } from '@waybill/contracts';
import { isImageDigest } from './distribution-path.js';

/** Kind of the catalogs that manifests and indexes are. */
export const manifestKind = 'oci.manifest';
/** Registries take manifests up to 4 MiB. OCI Distribution Specification 1.1, "Pushing Manifests" */
export const manifestBytes = 4 * 2 ** 20;

/** Scope of all manifests that the session has of a registry. */
export function registryScope(registryId: string): string {
  return `${manifestKind}:${registryId}`;
}

/** What a manifest says of another manifest or a blob. */
export interface Descriptor {
  readonly mediaType: string;
  readonly digest: string;
  /** Bytes. */
  readonly size: number;
  readonly annotations: Readonly<Record<string, string>>;
}

/** A manifest or an index, as immutable value. */
export interface ImageManifest {
  readonly mediaType: string;
  readonly kind: 'index' | 'image';
  /** Manifests of an index; config and layers of an image. */
  readonly children: readonly Descriptor[];
  readonly annotations: Readonly<Record<string, string>>;
}

/** Not a manifest. */
export class ManifestError extends Error {}

const indexTypes: ReadonlySet<string> = new Set([
  'application/vnd.oci.image.index.v1+json',
  'application/vnd.docker.distribution.manifest.list.v2+json',
]);
const imageTypes: ReadonlySet<string> = new Set([
  'application/vnd.oci.image.manifest.v1+json',
  'application/vnd.docker.distribution.manifest.v2+json',
]);
const mostChildren = 10_000;

/**
 * Reads an index or an image manifest of OCI or Docker. A document must be one of the two: one that could be read as both would
 * be one image to one client and another to the next (CVE-2021-41190).
 * @throws ManifestError
 */
export function readManifest(text: string, declaredType?: string): ImageManifest {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new ManifestError('not JSON', { cause });
  }
  const document = object(value, 'not an object');
  if (document.schemaVersion !== 2)
    throw new ManifestError('no schemaVersion 2: manifests of schema 1 cannot be verified');
  const inside = typeof document.mediaType === 'string' ? document.mediaType : undefined;
  const isIndex = Array.isArray(document.manifests);
  const isImage = Array.isArray(document.layers) || Array.isArray(document.blobs);
  if (isIndex === isImage) throw new ManifestError('neither an index nor an image, or both');
  const known = isIndex ? indexTypes : imageTypes;
  for (const type of [inside, declaredType]) {
    if (type !== undefined && !known.has(type)) {
      throw new ManifestError(`${isIndex ? 'an index' : 'an image'} of the type ${JSON.stringify(type.slice(0, 100))}`);
    }
  }
  if (inside !== undefined && declaredType !== undefined && inside !== declaredType) {
    throw new ManifestError(`of the type ${inside}, sent as ${declaredType}`);
  }
  const entries = isIndex
    ? list(document.manifests)
    : [document.config, ...list(document.layers ?? document.blobs)].filter((entry) => entry !== undefined);
  if (entries.length > mostChildren) throw new ManifestError(`more than ${mostChildren} entries`);
  return {
    mediaType: inside ?? declaredType ?? [...known][0] ?? '',
    kind: isIndex ? 'index' : 'image',
    children: entries.map(descriptor),
    annotations: texts(document.annotations),
  };
}

export const manifestParser: CatalogParser<ImageManifest> = {
  kind: manifestKind,
  async parse(bytes, ref) {
    const whole = await buffer(bytes);
    return readManifest(whole.toString('utf8'), ref.attributes?.type);
  },
  weigh: ({ children }) => 1000 + children.length * 600,
};

/** What the well-known annotations of an image say. OCI Image Specification 1.1, "Pre-Defined Annotation Keys" */
export function describedBy(annotations: Readonly<Record<string, string>>) {
  const of = (key: string) => (annotations[`org.opencontainers.image.${key}`] ?? '').slice(0, 1000);
  return {
    version: of('version'),
    description: of('description') || of('title'),
    author: of('authors'),
    license: of('licenses'),
  };
}

function descriptor(value: unknown): Descriptor {
  const { mediaType, digest, size, annotations } = object(value, 'an entry that is no object');
  if (!isImageDigest(digest)) throw new ManifestError('an entry without a digest');
  if (typeof size !== 'number' || !Number.isSafeInteger(size) || size < 0)
    throw new ManifestError(`${digest} has no size`);
  return {
    mediaType: typeof mediaType === 'string' ? mediaType.slice(0, 200) : '',
    digest,
    size,
    annotations: texts(annotations),
  };
}

function texts(value: unknown): Record<string, string> {
  const found: Record<string, string> = Object.create(null);
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return found;
  for (const [key, text] of Object.entries(value).slice(0, 200))
    if (typeof text === 'string') found[key] = text.slice(0, 64 * 1024);
  return found;
}

function object(value: unknown, fault: string): Readonly<Record<string, unknown>> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new ManifestError(fault);
  return value as Readonly<Record<string, unknown>>;
}

function list(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}
