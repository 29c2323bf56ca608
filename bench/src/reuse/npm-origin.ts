import { createHash } from 'node:crypto';
import { once } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import type { Certificate } from '../upstream/throw-away-ca.ts';
import type { MirroredPackage } from './npm-mirror.ts';

/** What was asked of the registry. */
export interface OriginCounts {
  readonly tarballs: number;
  readonly documents: number;
  readonly notModified: number;
}

export interface NpmOrigin {
  readonly port: number;
  /** Since the last call. */
  counts(): OriginCounts;
  close(): Promise<void>;
}

interface Answer {
  readonly type: string;
  readonly body: Buffer;
  readonly etag: string;
}

/**
 * An https registry for mirrored packages: tarballs, documents of versions and packuments, with an ETag each. Only versions of
 * the project are in the packuments; real ones are larger.
 * @param base URL that clients know it by, with a closing slash
 */
export async function startNpmOrigin(
  packages: readonly MirroredPackage[],
  {
    base,
    certificate,
    port,
  }: { readonly base: (port: number) => string; readonly certificate: Certificate; readonly port?: number },
): Promise<NpmOrigin> {
  let answers: ReadonlyMap<string, Answer> = new Map();
  let counts = { tarballs: 0, documents: 0, notModified: 0 };

  const answer = (request: IncomingMessage, response: ServerResponse) => {
    const path = decodeURIComponent((request.url ?? '/').slice(1));
    const found = answers.get(path);
    if (!found) return void response.writeHead(404, { 'content-type': 'application/json' }).end('{}');
    const { etag, body, type } = found;
    if (request.headers['if-none-match'] === etag) {
      counts.notModified += 1;
      return void response.writeHead(304, { etag, 'cache-control': 'public, max-age=300' }).end();
    }
    counts[path.includes('/-/') ? 'tarballs' : 'documents'] += 1;
    // As public registries have it: documents are current for five minutes.
    const headers = {
      'content-type': type,
      'content-length': body.length,
      etag,
      'cache-control': 'public, max-age=300',
    };
    response.writeHead(200, headers).end(body);
  };
  const server = createServer({ cert: certificate.certPem, key: certificate.keyPem, keepAliveTimeout: 60_000 }, answer);
  server.listen(port ?? 0, '127.0.0.1');
  await once(server, 'listening');
  const own = (server.address() as AddressInfo).port;
  answers = answersOf(packages, base(own));
  return {
    port: own,
    counts() {
      const before = counts;
      counts = { tarballs: 0, documents: 0, notModified: 0 };
      return before;
    },
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** File name of a tarball, as registries have it. */
export function tarballPath(name: string, version: string): string {
  return `${name}/-/${name.slice(name.indexOf('/') + 1)}-${version}.tgz`;
}

function answersOf(packages: readonly MirroredPackage[], base: string): ReadonlyMap<string, Answer> {
  const answers = new Map<string, Answer>();
  const put = (path: string, type: string, body: Buffer) => {
    answers.set(path, { type, body, etag: `"${createHash('sha256').update(body).digest('hex').slice(0, 32)}"` });
  };
  const json = (path: string, value: unknown) => put(path, 'application/json', Buffer.from(JSON.stringify(value)));
  for (const [name, versions] of Map.groupBy(packages, (one) => one.name)) {
    const documents = versions.map(({ entry, tarball }) => {
      const { integrity, resolved: _resolved, dev: _dev, peer: _peer, optional: _optional, ...manifest } = entry;
      const path = tarballPath(name, entry.version);
      put(path, 'application/octet-stream', tarball);
      const shasum = createHash('sha1').update(tarball).digest('hex');
      return [entry.version, { ...manifest, name, dist: { tarball: base + path, integrity, shasum } }] as const;
    });
    for (const [version, document] of documents) json(`${name}/${version}`, document);
    json(name, { name, 'dist-tags': { latest: documents.at(-1)?.[0] }, versions: Object.fromEntries(documents) });
  }
  return answers;
}
