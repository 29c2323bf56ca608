import { createHash } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { gzipSync } from 'node:zlib';
import { buildPackageTarball } from './archives.js';
import { startHttpsUpstream, startHttpUpstream } from './http-upstream.js';
import type { ThrowawayCa } from './throwaway-ca.js';

/** A version to publish: fields of its package.json beside name and version, and its files. */
export interface PublishedVersion {
  readonly manifest?: Readonly<Record<string, unknown>>;
  readonly files?: Readonly<Record<string, string | Uint8Array>>;
}

export interface NpmRegistryOptions {
  /** Package name → version → content. */
  readonly packages: Readonly<Record<string, Readonly<Record<string, PublishedVersion>>>>;
  /** Serves https with leaves of this root. */
  readonly tls?: ThrowawayCa;
  /** Path the registry lies under, e.g. `/npm`. */
  readonly path?: string;
  /** Origin to write into `dist.tarball`, when it is not the one the server listens on. */
  readonly publicOrigin?: string;
  /** Sees every answer before it is sent and may change it: the tampering hook. */
  readonly answer?: (request: IncomingMessage, given: RegistryAnswer) => RegistryAnswer;
}

export interface RegistryAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
}

/** A running registry. */
export interface NpmRegistry {
  /** Base URL with a closing slash, for `registry=`. */
  readonly url: string;
  readonly port: number;
  /** `METHOD path` of every request so far. */
  readonly requests: readonly string[];
  /** Bytes of a tarball as published. */
  tarball(name: string, version: string): Buffer;
  close(): Promise<void>;
}

interface Version {
  readonly manifest: Record<string, unknown>;
  readonly tarball: Buffer;
  readonly file: string;
}

/**
 * An npm registry on loopback with tarballs built in code: packuments full and abbreviated (by Accept), with ETag and gzip,
 * documents of versions and tags, dist-tags, tarballs, an audit that finds nothing. What is published never changes.
 */
export async function startNpmRegistry(options: NpmRegistryOptions): Promise<NpmRegistry> {
  const packages = new Map(Object.entries(options.packages).map(([name, versions]) => [name, publish(name, versions)]));
  const requests: string[] = [];
  const prefix = `${options.path ?? ''}/`;

  const handle = (request: IncomingMessage, response: ServerResponse) => {
    requests.push(`${request.method} ${request.url}`);
    request.resume();
    const path = new URL(request.url ?? '/', 'http://registry.invalid').pathname;
    const own = path.startsWith(prefix) ? respond(request, decodeURIComponent(path.slice(prefix.length))) : notFound;
    const sent = options.answer?.(request, own) ?? own;
    response.writeHead(sent.status, { ...sent.headers, 'content-length': String(sent.body.length) });
    response.end(request.method === 'HEAD' ? undefined : sent.body);
  };
  const upstream = options.tls
    ? await startHttpsUpstream(handle, { ca: options.tls })
    : await startHttpUpstream(handle);
  const origin = upstream.url;
  const base = `${options.publicOrigin ?? origin}${prefix}`;

  function respond(request: IncomingMessage, path: string): RegistryAnswer {
    if (path.startsWith('-/npm/v1/security/')) return json(request, {});
    const tags = /^-\/package\/(.+)\/dist-tags$/.exec(path)?.[1];
    const [, name = '', rest] = /^((?:@[^/]+\/)?[^/]+)(?:\/(.+))?$/.exec(tags ?? path) ?? [];
    const versions = packages.get(name);
    if (!versions) return notFound;
    const latest = [...versions.keys()].at(-1) ?? '';
    if (tags !== undefined) return json(request, { latest });
    if (rest?.startsWith('-/')) {
      const version = [...versions.values()].find(({ file }) => file === rest.slice(2));
      return version
        ? { status: 200, headers: { 'content-type': 'application/octet-stream' }, body: version.tarball }
        : notFound;
    }
    if (rest !== undefined) {
      const version = versions.get(rest === 'latest' ? latest : rest);
      return version ? json(request, document(name, version)) : notFound;
    }
    const full = !String(request.headers.accept).includes('application/vnd.npm.install-v1+json');
    return json(request, packument(name, versions, full), full ? undefined : 'application/vnd.npm.install-v1+json');
  }

  function document(name: string, { manifest, tarball, file }: Version) {
    const sum = (algorithm: string) => createHash(algorithm).update(tarball);
    const dist = {
      tarball: `${base}${name}/-/${file}`,
      integrity: `sha512-${sum('sha512').digest('base64')}`,
      shasum: sum('sha1').digest('hex'),
    };
    return { ...manifest, _id: `${name}@${manifest.version}`, dist };
  }

  function packument(name: string, versions: ReadonlyMap<string, Version>, full: boolean) {
    const documents = Object.fromEntries([...versions].map(([version, made]) => [version, document(name, made)]));
    const common = { name, 'dist-tags': { latest: [...versions.keys()].at(-1) }, versions: documents };
    if (!full) return { ...common, modified: '2026-01-01T00:00:00.000Z' };
    const time = Object.fromEntries([...versions.keys()].map((version) => [version, '2026-01-01T00:00:00.000Z']));
    return { _id: name, ...common, time, readme: `# ${name}\n` };
  }

  return {
    url: `${origin}${prefix}`,
    port: upstream.port,
    requests,
    tarball(name, version) {
      const found = packages.get(name)?.get(version);
      if (!found) throw new Error(`${name}@${version} is not published`);
      return found.tarball;
    },
    close: () => upstream.close(),
  };
}

const notFound: RegistryAnswer = {
  status: 404,
  headers: { 'content-type': 'application/json' },
  body: Buffer.from('{"error":"Not found"}'),
};

function publish(name: string, versions: Readonly<Record<string, PublishedVersion>>): ReadonlyMap<string, Version> {
  const unscoped = name.slice(name.indexOf('/') + 1);
  return new Map(
    Object.entries(versions).map(([version, { manifest = {}, files }]) => {
      const own = { name, version, license: 'MIT', ...manifest };
      const tarball = buildPackageTarball({ manifest: own, ...(files && { files }) });
      return [version, { manifest: own, tarball, file: `${unscoped}-${version}.tgz` }];
    }),
  );
}

function json(request: IncomingMessage, value: unknown, type = 'application/json'): RegistryAnswer {
  const plain = Buffer.from(JSON.stringify(value));
  const etag = `"${createHash('sha1').update(plain).digest('hex')}"`;
  if (request.headers['if-none-match'] === etag) return { status: 304, headers: { etag }, body: Buffer.alloc(0) };
  const zipped = /\bgzip\b/.test(String(request.headers['accept-encoding'] ?? ''));
  return {
    status: 200,
    headers: {
      'content-type': type,
      etag,
      vary: 'accept, accept-encoding',
      ...(zipped && { 'content-encoding': 'gzip' }),
    },
    body: zipped ? gzipSync(plain) : plain,
  };
}
