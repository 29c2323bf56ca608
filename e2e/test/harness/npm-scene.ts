import { createHash } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import {
  createThrowawayCa,
  type NpmRegistry,
  type NpmRegistryOptions,
  startNpmRegistry,
  type ThrowawayCa,
} from '@waybill/testkit';
import { type Daemon, type DaemonOptions, startDaemon } from './daemon.js';
import type { Closable } from './keep.js';
import { createNpmProject, type NpmProject } from './npm-project.js';
import { createTempDir } from './temp-dir.js';
import { startTlsFront } from './tls-front.js';

/** What every npm test starts from: an https registry, a daemon that allows it, and a project with a lock file. */
export interface NpmScene {
  readonly ca: ThrowawayCa;
  readonly registry: NpmRegistry;
  /** `https://localhost:<port>` as clients and reports know it. */
  readonly origin: string;
  readonly daemon: Daemon;
  readonly project: NpmProject;
  /** Changes what the registry answers from now on; undefined: nothing. */
  tamper(how: NpmRegistryOptions['answer']): void;
}

/** `app` needs `@scope/lib` and `leaf@1.0.0`, which the library has in a newer version of its own. */
const packages: NpmRegistryOptions['packages'] = {
  app: { '1.0.0': {}, '1.2.0': { manifest: { dependencies: { '@scope/lib': '^2.0.0', leaf: '1.0.0' } } } },
  '@scope/lib': { '2.0.0': {}, '2.1.0': { manifest: { dependencies: { leaf: '^1.1.0' } } } },
  leaf: { '1.0.0': { files: { 'index.js': 'module.exports = "leaf";\n' } }, '1.1.0': {} },
};

export interface NpmSceneOptions {
  /** Published beside the usual ones. */
  readonly packages?: NpmRegistryOptions['packages'];
  /** Of the project; default `app`. */
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly ports?: DaemonOptions['ports'];
  /** Whether sessions take what earlier ones stored. Default off: a test then sees all its requests upstream. */
  readonly reuse?: 'on' | 'off';
}

/** @param keep closes what is opened, last first */
export async function openNpmScene(
  keep: <Thing extends Closable>(thing: Thing) => Thing,
  { packages: more = {}, dependencies = { app: '^1.0.0' }, ports, reuse = 'off' }: NpmSceneOptions = {},
): Promise<NpmScene> {
  const ca = await createThrowawayCa();
  const files = keep(await createTempDir());
  const registryCaFile = files.at('registry-ca.pem');
  await writeFile(registryCaFile, ca.certificatePem);
  const front = keep(await startTlsFront(ca));
  const origin = front.url;
  let answer: NpmRegistryOptions['answer'];
  const registry = keep(
    await startNpmRegistry({
      publicOrigin: origin,
      packages: { ...packages, ...more },
      answer: (request, given) => answer?.(request, given) ?? given,
    }),
  );
  front.forwardTo(registry.port);
  const inspectors = { npm: { registries: { default: { url: `${origin}/` } } }, limits: { reuse } };
  const daemon = keep(await startDaemon({ upstreamCa: ca, inspectors, ports }));
  const project = keep(await createNpmProject({ registry: `${origin}/`, dependencies, registryCaFile }));
  const locked = await project.direct(['install', '--package-lock-only']);
  if (locked.code !== 0) throw new Error(`npm wrote no lock file:\n${locked.stderr}`);
  return {
    ca,
    registry,
    origin,
    daemon,
    project,
    tamper(how) {
      answer = how;
    },
  };
}

/** `sha512-…` as lock files have it. */
export function integrityOf(bytes: Uint8Array): string {
  return `sha512-${createHash('sha512').update(bytes).digest('base64')}`;
}
