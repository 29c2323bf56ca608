import { mkdir, writeFile } from 'node:fs/promises';
import {
  type AptUpstream,
  buildAptRepository,
  buildTgz,
  createThrowawayCa,
  type GitRepository,
  type GitServer,
  type HttpUpstream,
  type NpmRegistry,
  startAptUpstream,
  startGitServer,
  startHttpsUpstream,
  startNpmRegistry,
  type ThrowawayCa,
} from '@waybill/testkit';
import { type CraftUser, createCraftUser } from './craft.js';
import { craftYaml, hostArchitecture, type ProjectFiles } from './craft-project.js';
import type { Closable } from './keep.js';
import { sha256 } from './report.js';
import { run } from './run.js';
import { createTempDir } from './temp-dir.js';

/** One upstream of each kind, and a user whose machine knows them: npm's registry, apt's sources and keys, trust in their CA. */
export interface CraftScene {
  readonly ca: ThrowawayCa;
  readonly caFile: string;
  readonly npm: NpmRegistry;
  readonly git: GitServer;
  /** Three commits. */
  readonly repository: GitRepository;
  readonly apt: AptUpstream;
  readonly files: HttpUpstream;
  /** URL of a tarball, and its sha256. */
  readonly tarball: { readonly url: string; readonly sha256: string; readonly bytes: Buffer };
  /** Seen as /etc/apt. */
  readonly aptDirectory: string;
  /** A new user of this machine; `inspectors.yaml` is what `config init` finds, as a user would make it. */
  user(): Promise<CraftUser>;
}

const data = buildTgz([
  { path: 'data-1.0/data.txt', body: 'data\n' },
  { path: 'data-1.0/unused.txt', body: 'unused\n' },
]);

/** @param keep closes what is opened, last first */
export async function openCraftScene(keep: <Thing extends Closable>(thing: Thing) => Thing): Promise<CraftScene> {
  const dir = keep(await createTempDir());
  const ca = await createThrowawayCa();
  const caFile = dir.at('upstream-ca.pem');
  await writeFile(caFile, ca.certificatePem);
  const npm = keep(
    await startNpmRegistry({
      tls: ca,
      packages: {
        left: {
          '1.0.0': { files: { 'index.js': 'module.exports = "left";\n' } },
          '1.1.0': { manifest: { dependencies: { '@scope/right': '^2.0.0' } } },
        },
        '@scope/right': { '2.0.0': {}, '2.3.0': { files: { 'index.js': 'module.exports = "right";\n' } } },
      },
    }),
  );
  const git = keep(await startGitServer({ tls: ca }));
  const repository = await git.createRepository('theme.git');
  for (const text of ['one', 'two', 'three']) {
    await repository.commit({ files: { 'style.css': `/* ${text} */\n`, [`${text}.txt`]: text } });
  }
  const built = keep(
    await buildAptRepository({
      dir: dir.at('apt'),
      architectures: [hostArchitecture()],
      packages: [
        { name: 'waybill-data', version: '2.0-1', arch: 'all', files: { 'usr/share/waybill/data': 'data\n' } },
        {
          name: 'waybill-greeter',
          version: '1.5',
          arch: 'all',
          depends: 'waybill-data',
          files: { 'usr/bin/waybill-greeter': '#!/bin/sh\necho hello\n' },
        },
      ],
    }),
  );
  const apt = keep(await startAptUpstream({ dir: built.dir }));
  const aptDirectory = dir.at('etc-apt');
  for (const name of ['apt.conf.d', 'preferences.d', 'sources.list.d', 'trusted.gpg.d', 'keyrings'])
    await mkdir(dir.at('etc-apt', name), { recursive: true });
  await writeFile(dir.at('etc-apt/keyrings/test.asc'), built.publicKeyArmor);
  await writeFile(
    dir.at('etc-apt/sources.list.d/test.sources'),
    `Types: deb\nURIs: ${apt.url}\nSuites: stable\nComponents: main\nSigned-By: /etc/apt/keyrings/test.asc\n`,
  );
  const files = keep(
    await startHttpsUpstream(
      (request, response) => {
        if (request.url === '/data-1.0.tar.gz') response.setHeader('content-type', 'application/gzip').end(data);
        else response.writeHead(404).end();
      },
      { ca },
    ),
  );
  return {
    ca,
    caFile,
    npm,
    git,
    repository,
    apt,
    files,
    aptDirectory,
    tarball: { url: `${files.url}/data-1.0.tar.gz`, sha256: sha256(data), bytes: data },
    async user() {
      const user = keep(
        await createCraftUser({
          // Replaced below by what is found on the machine.
          inspectors: {},
          npmRegistry: npm.url,
          aptDirectory,
          env: { NODE_EXTRA_CA_CERTS: caFile },
        }),
      );
      const found = await user.fetchService(['config', 'init', `--output=${user.at('config/waybill')}`, '--force']);
      if (found.code !== 0) throw new Error(`config init ended with ${found.code}:\n${found.stderr}`);
      await user.allowLoopback();
      return user;
    },
  };
}

/** A project with a part of each kind of source, and what only its sessions allow. */
export function sceneProject(scene: CraftScene): ProjectFiles {
  const manifest = {
    name: 'tool',
    version: '3.0.0',
    bin: { tool: 'cli.js' },
    files: ['cli.js'],
    dependencies: { left: '^1.0.0' },
  };
  return {
    'craft.yaml': craftYaml({
      web: { plugin: 'npm', source: 'web' },
      theme: { plugin: 'dump', source: scene.repository.url, organize: { 'style.css': 'share/theme/style.css' } },
      data: {
        plugin: 'dump',
        source: scene.tarball.url,
        'source-checksum': `sha256/${scene.tarball.sha256}`,
        stage: ['data.txt'],
      },
      greeter: { plugin: 'nil', 'stage-packages': ['waybill-greeter'], stage: ['usr/bin/*', 'usr/share/waybill/*'] },
    }),
    'inspectors.yaml': {
      git: { urls: [`${scene.git.url}/**`] },
      generic: { files: [{ url: scene.tarball.url, sha256: scene.tarball.sha256 }] },
    },
    'web/package.json': manifest,
    'web/cli.js': '#!/usr/bin/env node\nconsole.log(require("left"));\n',
  };
}

/** Fields of a request that choose what a server answers. */
const choosing = /^(accept|git-protocol)$/i;

/** Digest of what an upstream gives without any proxy. `headers` are those of the request to repeat. */
export async function downloadDirectly(
  scene: CraftScene,
  url: string,
  headers: Readonly<Record<string, readonly string[]>>,
): Promise<string> {
  const fields = Object.entries(headers).flatMap(([name, values]) =>
    choosing.test(name) ? values.flatMap((value) => ['--header', `${name}: ${value}`]) : [],
  );
  const ran = await run('sh', [
    '-c',
    'curl --disable -fsS --cacert "$0" "$@" | sha256sum',
    scene.caFile,
    ...fields,
    url,
  ]);
  return ran.stdout.slice(0, 64);
}

/** `METHOD url` of everything that reached an upstream so far, as reports spell it; kind after kind. */
export function seenByUpstreams({ npm, git, apt, files }: CraftScene): string[] {
  return [
    ...npm.requests.map((line) => line.replace(' /', ` ${npm.url}`)),
    ...git.exchanges.map(({ method, url }) => `${method} ${url}`),
    ...apt.requests.map(({ method, path }) => `${method} ${apt.url}/${path}`),
    ...files.requests.map(({ method, target }) => `${method} ${files.url}${target}`),
  ];
}
