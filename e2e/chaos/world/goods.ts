import { createHash } from 'node:crypto';
import { buildPackageTarball } from '@waybill/testkit';
import type { BodyFacts, Listing, Truth } from '../model/truth.js';
import type { Chance } from './chance.js';

/** What an upstream has under a path: the right bytes, and those that it sends when it lies. */
export interface Good {
  readonly path: string;
  readonly kind: 'pinned' | 'index' | 'tarball' | 'unlisted';
  readonly type: string;
  readonly body: Buffer;
  readonly lies: readonly Buffer[];
}

/** Everything on offer, and what may be said of it. */
export interface Goods {
  readonly all: readonly Good[];
  readonly byPath: ReadonlyMap<string, Good>;
  readonly truth: Truth;
  /** `inspectors.yaml` that allows them. */
  readonly inspectors: unknown;
}

export interface GoodsOptions {
  /** Of the upstream, without a closing slash. */
  readonly origin: string;
  readonly chance: Chance;
  readonly files?: number;
  readonly packages?: number;
  /** Bytes of the largest body. */
  readonly largest?: number;
}

/** Around the sizes where bodies change their way: packed in a segment, a file of their own, streamed. */
const sizes = [1, 700, 9_000, 70_000, 262_144, 262_145, 400_000, 1_500_000];

/** Files that the configuration names by digest, an npm registry, and files that nobody allows. */
export function createGoods({ origin, chance, files = 40, packages = 12, largest = 1_500_000 }: GoodsOptions): Goods {
  const bodies = new Map<string, BodyFacts>();
  const indexes = new Map<string, Listing>();
  const know = (body: Buffer, isSound = true) => {
    const facts = { size: body.length, sha512: digest('sha512', body), isSound, bytes: body };
    bodies.set(digest('sha256', body), facts);
    return body;
  };
  const sizeOf = (at: number) => Math.min(sizes[at % sizes.length] ?? 1, largest);
  const plain = (path: string, kind: Good['kind'], size: number): Good => {
    const body = know(fill(`${path} ${chance.between(0, 2 ** 31)} `, size));
    const lies = [fill(`not ${path} `, size), body.subarray(0, size >> 1), Buffer.concat([body, body.subarray(0, 9)])];
    return {
      path,
      kind,
      type: 'application/octet-stream',
      body,
      lies: lies.filter(({ length }) => length).map((lie) => know(lie)),
    };
  };
  const pinned = Array.from({ length: files }, (_, at) => plain(`/file/${at}`, 'pinned', sizeOf(at)));
  const unlisted = Array.from({ length: 4 }, (_, at) => plain(`/unlisted/${at}`, 'unlisted', sizeOf(at)));
  const published = Array.from({ length: packages }, (_, at) =>
    publish({ name: `part-${at}`, size: Math.min(sizeOf(at), 300_000), origin, know, indexes }),
  ).flat();
  const all = [...pinned, ...unlisted, ...published];
  const indexUrls = new Set(all.flatMap(({ kind, path }) => (kind === 'index' ? [origin + path] : [])));
  return {
    all,
    byPath: new Map(all.map((good) => [good.path, good])),
    truth: {
      pinned: new Map(pinned.map(({ path, body }) => [origin + path, digest('sha256', body)])),
      indexes,
      isIndex: (url) => indexUrls.has(url),
      bodies,
      isTrusted: () => false,
    },
    inspectors: {
      generic: { files: pinned.map(({ path, body }) => ({ url: origin + path, sha256: digest('sha256', body) })) },
      npm: { registries: { default: { url: `${origin}/npm/` } } },
      // Upstreams of these tests stall on purpose.
      limits: { 'upstream-idle-timeout-ms': 1_500 },
    },
  };
}

interface Publishing {
  readonly name: string;
  readonly size: number;
  readonly origin: string;
  readonly know: (body: Buffer, isSound?: boolean) => Buffer;
  readonly indexes: Map<string, Listing>;
}

/** A packument and its tarball, with the lies of a registry that was broken into. */
function publish({ name, size, origin, know, indexes }: Publishing): Good[] {
  const version = '1.0.0';
  const path = `/npm/${name}/-/${name}-${version}.tgz`;
  const manifest = { name, version, license: 'MIT' };
  const files = { 'index.js': noise(name, size) };
  const tarball = know(buildPackageTarball({ manifest, files }));
  const tampered = know(buildPackageTarball({ manifest, files: { 'index.js': 'evil()\n' } }));
  const foreign = know(buildPackageTarball({ manifest: { ...manifest, name: 'other' }, files }), false);
  const lists = (bytes: Buffer) => know(packument({ name, version, manifest, url: origin + path, tarball: bytes }));
  const honest = lists(tarball);
  const swapped = lists(foreign);
  for (const [document, listed] of [
    [honest, tarball],
    [swapped, foreign],
  ] as const) {
    indexes.set(digest('sha256', document), new Map([[origin + path, digest('sha512', listed)]]));
  }
  const renamed = know(Buffer.from(honest.toString().replace(`"name":"${name}"`, '"name":"someone-else"')));
  const cut = know(honest.subarray(0, honest.length >> 1));
  return [
    { path: `/npm/${name}`, kind: 'index', type: 'application/json', body: honest, lies: [swapped, renamed, cut] },
    {
      path,
      kind: 'tarball',
      type: 'application/octet-stream',
      body: tarball,
      lies: [tampered, foreign, know(tarball.subarray(0, 90))],
    },
  ];
}

function packument(of: {
  readonly name: string;
  readonly version: string;
  readonly manifest: object;
  readonly url: string;
  readonly tarball: Buffer;
}): Buffer {
  const dist = {
    tarball: of.url,
    integrity: `sha512-${createHash('sha512').update(of.tarball).digest('base64')}`,
    shasum: digest('sha1', of.tarball),
  };
  const versions = { [of.version]: { ...of.manifest, dist } };
  return Buffer.from(JSON.stringify({ name: of.name, 'dist-tags': { latest: of.version }, versions }));
}

/** Text that gzip cannot make small. */
function noise(name: string, size: number): string {
  let text = '';
  for (let at = 0; text.length < size; at++) text += createHash('sha512').update(`${name} ${at}`).digest('base64');
  return `// ${text.slice(0, size)}\n`;
}

function fill(text: string, size: number): Buffer {
  return Buffer.alloc(size, text);
}

export function digest(algorithm: 'sha1' | 'sha256' | 'sha512', bytes: Uint8Array): string {
  return createHash(algorithm).update(bytes).digest('hex');
}
