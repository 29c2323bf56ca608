import { gzipSync } from 'node:zlib';
import { aptInspectors } from '../src/apt/index.js';
import type { Inspector } from '../src/inspector.js';
import {
  aptConfig,
  base,
  buildDeb,
  clearsign,
  dists,
  hex,
  packageParagraph,
  type ReleaseInput,
  releaseText,
  type TestKey,
  testKey,
} from './apt-fixtures.js';
import type { FakeSession } from './fake-session.js';

export const debPath = 'pool/main/h/hello/hello_1.0-1_amd64.deb';
export const debUrl = `${base}/${debPath}`;
export const packagesUrl = `${dists}/main/binary-amd64/Packages.gz`;

const translation = `Package: hello
Description-md5: ${hex('md5', 'says hello\n')}
Description-en: says hello
 in many words

`;
const commands = `suite: stable
component: main
arch: amd64

name: hello
version: 1.0-1
commands: hello,hallo

name: other
version: 2
commands: other
visible-pkgname: another
`;

/** A repository in memory: one package, its indexes, a signed release. */
export interface Scenario {
  readonly key: TestKey;
  readonly deb: Buffer;
  readonly files: Readonly<Record<string, Buffer>>;
  readonly inRelease: string;
  readonly inspectors: readonly Inspector[];
  /** URL of an index by its digest. */
  byHash(path: string, algorithm?: 'SHA256' | 'SHA512'): string;
  /** Downloads the InRelease; it must be approved. */
  trustRelease(session: FakeSession, inRelease?: string): Promise<void>;
  /** Downloads InRelease and Packages.gz; both must be approved. */
  trustPackages(session: FakeSession): Promise<void>;
}

export interface ScenarioOptions {
  readonly repository?: Record<string, unknown>;
  readonly deb?: Buffer;
  /** Whole paragraphs of the Packages file instead of the one of `deb`. */
  readonly packages?: string;
  readonly release?: ReleaseInput;
  readonly translation?: string;
  readonly commands?: string;
}

let sharedKey: Promise<TestKey> | undefined;

/** The same key for all scenarios of a test file. */
export function scenarioKey(): Promise<TestKey> {
  sharedKey ??= testKey();
  return sharedKey;
}

export async function createScenario(options: ScenarioOptions = {}): Promise<Scenario> {
  const key = await scenarioKey();
  const deb = options.deb ?? buildDeb();
  const packages = options.packages ?? packageParagraph(deb, { Filename: debPath });
  const plain = {
    'main/binary-amd64/Packages': packages,
    'main/i18n/Translation-en': options.translation ?? translation,
    'main/cnf/Commands-amd64': options.commands ?? commands,
  };
  const files: Record<string, Buffer> = {};
  for (const [path, text] of Object.entries(plain)) {
    files[path] = Buffer.from(text);
    files[`${path}.gz`] = gzipSync(text);
  }
  const inRelease = await clearsign(releaseText({ files, ...options.release }), key);
  const inspectors = aptInspectors(aptConfig(key, options.repository));
  const trustRelease = async (session: FakeSession, text = inRelease) => {
    const { artifact, result } = await session.download(`${dists}/InRelease`, { body: text });
    if (result !== 'Approved') throw new Error(`InRelease: ${artifact.get('apt.release')?.reason}`);
  };
  return {
    key,
    deb,
    files,
    inRelease,
    inspectors,
    byHash(path, algorithm = 'SHA256') {
      const digest = hex(algorithm.toLowerCase(), files[path] ?? '');
      return `${dists}/${path.replace(/[^/]+$/, '')}by-hash/${algorithm}/${digest}`;
    },
    trustRelease,
    async trustPackages(session) {
      await trustRelease(session);
      const body = files['main/binary-amd64/Packages.gz'] ?? '';
      const { artifact, result } = await session.download(packagesUrl, { body });
      if (result !== 'Approved') throw new Error(`Packages: ${artifact.get('apt.packages')?.reason}`);
    },
  };
}
