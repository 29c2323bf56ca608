import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdir, rename, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { createGunzip } from 'node:zlib';
import type { Architecture, Project } from '@waybill/contracts';
import type { LifecycleContext, ProjectVariable } from '../lifecycle/context.js';
import { packTar } from './pack-tar.js';

/** What an image is to be packed with. */
export interface ImageOptions {
  /** Time of everything in it. */
  readonly mtime: Date;
  readonly version: string;
}

/** Content by digest. OCI Image Specification 1.1, descriptor.md */
interface Descriptor {
  readonly mediaType: string;
  readonly digest: string;
  readonly size: number;
}

const mediaTypes = {
  index: 'application/vnd.oci.image.index.v1+json',
  manifest: 'application/vnd.oci.image.manifest.v1+json',
  config: 'application/vnd.oci.image.config.v1+json',
  layer: 'application/vnd.oci.image.layer.v1.tar+gzip',
} as const;

/** Go's names of architectures, which images use. */
const platforms: Readonly<Record<Architecture, { readonly architecture: string; readonly variant?: string }>> = {
  amd64: { architecture: 'amd64' },
  arm64: { architecture: 'arm64', variant: 'v8' },
  armhf: { architecture: 'arm', variant: 'v7' },
  i386: { architecture: '386' },
  ppc64el: { architecture: 'ppc64le' },
  riscv64: { architecture: 'riscv64' },
  s390x: { architecture: 's390x' },
};

/**
 * Packs `prime` as an OCI archive: a tar of an image layout with one image of one layer. The same files give the same bytes.
 * @see OCI Image Specification 1.1, image-layout.md
 */
export async function packImage(context: LifecycleContext, output: string, options: ImageOptions): Promise<void> {
  const layout = `${output}.layout`;
  const { mtime } = options;
  try {
    const blobs = join(layout, 'blobs/sha256');
    await mkdir(blobs, { recursive: true });
    const layer = await addLayer(blobs, context.layout.prime, mtime);
    const config = await addJson(blobs, mediaTypes.config, imageConfig(context, layer.diffId, mtime));
    const { diffId: _, ...layerDescriptor } = layer;
    const manifest = await addJson(blobs, mediaTypes.manifest, {
      schemaVersion: 2,
      mediaType: mediaTypes.manifest,
      config,
      layers: [layerDescriptor],
      annotations: annotations(context, options),
    });
    const index = {
      schemaVersion: 2,
      mediaType: mediaTypes.index,
      manifests: [
        {
          ...manifest,
          platform: { ...platformOf(context), os: 'linux' },
          annotations: { 'org.opencontainers.image.ref.name': options.version.replaceAll(/[^\w.-]/g, '-') },
        },
      ],
    };
    await writeFile(join(layout, 'index.json'), JSON.stringify(index));
    await writeFile(join(layout, 'oci-layout'), JSON.stringify({ imageLayoutVersion: '1.0.0' }));
    await packTar(layout, output, { mtime, gzip: false });
  } finally {
    await rm(layout, { recursive: true, force: true });
  }
}

async function addLayer(blobs: string, prime: string, mtime: Date): Promise<Descriptor & { readonly diffId: string }> {
  const file = join(dirname(blobs), 'layer.tar.gz');
  await packTar(prime, file, { mtime });
  const [compressed, plain] = [createHash('sha256'), createHash('sha256')];
  const source = createReadStream(file, { highWaterMark: 1 << 18 });
  source.on('data', (chunk) => compressed.update(chunk));
  await pipeline(source, createGunzip(), async (chunks: AsyncIterable<Buffer>) => {
    for await (const chunk of chunks) plain.update(chunk);
  });
  const sha256 = compressed.digest('hex');
  await rename(file, join(blobs, sha256));
  return {
    mediaType: mediaTypes.layer,
    digest: `sha256:${sha256}`,
    size: source.bytesRead,
    diffId: `sha256:${plain.digest('hex')}`,
  };
}

async function addJson(blobs: string, mediaType: string, document: unknown): Promise<Descriptor> {
  const bytes = Buffer.from(JSON.stringify(document));
  const sha256 = createHash('sha256').update(bytes).digest('hex');
  await writeFile(join(blobs, sha256), bytes);
  return { mediaType, digest: `sha256:${sha256}`, size: bytes.length };
}

/** OCI Image Specification 1.1, config.md. What is undefined is left out. */
function imageConfig(context: LifecycleContext, diffId: string, mtime: Date): object {
  const { entrypoint, command, environment, user, ports, labels, ...image } = context.project.image ?? {};
  const created = rfc3339(mtime);
  return {
    created,
    ...platformOf(context),
    os: 'linux',
    config: {
      User: user,
      ExposedPorts: ports && Object.fromEntries(ports.map((port) => [port.includes('/') ? port : `${port}/tcp`, {}])),
      Env: environment && Object.entries(environment).map(([name, value]) => `${name}=${value}`),
      Entrypoint: entrypoint,
      Cmd: command,
      WorkingDir: image['working-directory'],
      Labels: labels,
    },
    rootfs: { type: 'layers', diff_ids: [diffId] },
    history: [{ created, created_by: 'craft pack' }],
  };
}

function annotations({ project, variables }: LifecycleContext, { mtime, version }: ImageOptions): object {
  const text = (name: ProjectVariable & keyof Project) => variables.get(name) ?? project[name];
  const found = {
    'org.opencontainers.image.created': rfc3339(mtime),
    'org.opencontainers.image.title': project.title ?? project.name,
    'org.opencontainers.image.version': version,
    'org.opencontainers.image.description': text('summary'),
    'org.opencontainers.image.licenses': project.license,
  };
  return Object.fromEntries(Object.entries(found).filter(([, value]) => value !== undefined));
}

/** What is for all architectures still has to name one; clients take this one for their own nearly everywhere. */
function platformOf({ item }: LifecycleContext): (typeof platforms)[Architecture] {
  return platforms[item.buildFor === 'all' ? 'amd64' : item.buildFor];
}

function rfc3339(time: Date): string {
  return time.toISOString().replace('.000Z', 'Z');
}
