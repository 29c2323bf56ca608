import { writeFile } from 'node:fs/promises';
import type { ServerResponse } from 'node:http';
import { createThrowawayCa, type HttpUpstream, startHttpsUpstream } from '@waybill/testkit';
import { type CraftUser, type CraftUserOptions, createCraftUser } from './craft.js';
import { type CraftProject, craftYaml, script } from './craft-project.js';
import type { Closable } from './keep.js';
import { sha256 } from './report.js';
import { createTempDir } from './temp-dir.js';

/** An https upstream with a few files, and users whose configuration allows some of them. */
export interface FilesScene {
  readonly upstream: HttpUpstream;
  readonly caFile: string;
  /** Allowed by digest. */
  readonly listed: string;
  /** Not mentioned anywhere. */
  readonly unlisted: string;
  /** Allowed, but its answer does not come before `release`. */
  readonly slow: string;
  release(): void;
  /** Requests for a URL that reached the upstream. */
  seen(url: string): number;
  user(options?: CraftUserOptions): Promise<CraftUser>;
  /** A project whose part `app` runs a script in which `$LISTED`, `$UNLISTED` and `$SLOW` name the files. */
  project(user: CraftUser, text: string, more?: object): Promise<CraftProject>;
  /** That part. */
  part(text: string, more?: object): object;
}

const bodies = { '/listed.txt': 'listed\n', '/unlisted.txt': 'unlisted\n', '/slow.txt': 'slow\n' } as const;

/** @param keep closes what is opened, last first */
export async function openFilesScene(keep: <Thing extends Closable>(thing: Thing) => Thing): Promise<FilesScene> {
  const dir = keep(await createTempDir());
  const ca = await createThrowawayCa();
  const caFile = dir.at('upstream-ca.pem');
  await writeFile(caFile, ca.certificatePem);
  const waiting: ServerResponse[] = [];
  const upstream = keep(
    await startHttpsUpstream(
      (request, response) => {
        const path = request.url as keyof typeof bodies;
        if (path === '/slow.txt') waiting.push(response);
        else if (bodies[path]) response.setHeader('content-type', 'text/plain').end(bodies[path]);
        else response.writeHead(404).end();
      },
      { ca },
    ),
  );
  const at = (path: keyof typeof bodies) => upstream.url + path;
  const files = (['/listed.txt', '/slow.txt'] as const).map((path) => ({
    url: at(path),
    sha256: sha256(bodies[path]),
  }));
  const scene: FilesScene = {
    upstream,
    caFile,
    listed: at('/listed.txt'),
    unlisted: at('/unlisted.txt'),
    slow: at('/slow.txt'),
    release() {
      for (const response of waiting.splice(0)) response.end(bodies['/slow.txt']);
    },
    seen: (url) => upstream.requests.filter(({ target }) => upstream.url + target === url).length,
    user: async (options = {}) =>
      keep(
        await createCraftUser({
          inspectors: { generic: { files } },
          ...options,
          env: { NODE_EXTRA_CA_CERTS: caFile, ...options.env },
        }),
      ),
    project: (user, text, more = {}) => user.project({ 'craft.yaml': craftYaml({ app: scene.part(text) }, more) }),
    part: (text, more = {}) =>
      script(text, {
        'build-environment': [{ LISTED: scene.listed }, { UNLISTED: scene.unlisted }, { SLOW: scene.slow }],
        ...more,
      }),
  };
  return scene;
}

/** Downloads a file of the scene into the part. */
export function get(name: 'LISTED' | 'UNLISTED' | 'SLOW', options = ''): string {
  return `curl -fsS ${options} "$${name}" -o "$CRAFT_PART_INSTALL/${name.toLowerCase()}.txt"`;
}
