import { startHttpsUpstream } from '@waybill/testkit';
import { beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Tamper } from './harness/file-upstream.js';
import { keepForFile, keepForTest } from './harness/keep.js';
import { withChecksums } from './harness/maven-artifacts.js';
import { type MavenScene, mavenPaths, openMavenScene, resolveProject } from './harness/maven-scene.js';
import {
  changing,
  commonFaults,
  expectRedirectRefused,
  expectRefused,
  type Fault,
  flipByte,
} from './harness/refused.js';

const keep = keepForFile();
let scene: MavenScene;
const mismatch = /expected \S*leaf-1\.0\.jar with sha512:\w+~?, found sha512:/;

beforeAll(async () => {
  scene = await openMavenScene(keep);
});
beforeEach(() => scene.upstream.tamper(undefined));

/** Other bytes, and all checksums made to fit them. */
function replacing(path: string, bytes: () => Buffer): Tamper {
  return (asked, given) => {
    const body = new Map(withChecksums(path, bytes())).get(asked);
    return body && { ...given, body };
  };
}

const repositoryFaults: readonly (readonly [string, Fault])[] = [
  [
    'the strongest checksum is of another file, the weaker ones fit',
    {
      tamper: changing(`${mavenPaths.jar}.sha512`, (given) => ({ ...given, body: Buffer.from('0'.repeat(128)) })),
      refused: mavenPaths.jar,
      reason: /expected \S*leaf-1\.0\.jar with sha512:000000/,
    },
  ],
  [
    'no checksum at all',
    {
      tamper: (path, given) =>
        path.startsWith(`${mavenPaths.jar}.`) ? { ...given, status: 404, body: Buffer.from('none') } : undefined,
      refused: mavenPaths.jar,
      reason: /no checksum of \S*leaf-1\.0\.jar that counts/,
    },
  ],
  [
    'the jar of another artifact, checksums that fit',
    {
      tamper: replacing(mavenPaths.jar, () => scene.middle.jar ?? Buffer.alloc(0)),
      refused: mavenPaths.jar,
      reason: /registry\.example:middle/,
    },
  ],
  [
    'a pom with one changed byte',
    {
      tamper: changing(mavenPaths.pom, (given) => ({ ...given, body: flipByte(given.body) })),
      refused: mavenPaths.pom,
      reason: /expected \S*leaf-1\.0\.pom with sha512:\w+~?, found sha512:/,
    },
  ],
  [
    'the pom of another artifact, checksums that fit',
    {
      tamper: replacing(mavenPaths.pom, () => scene.middle.pom),
      refused: mavenPaths.pom,
      reason: /expected registry\.example:leaf:1\.0, found/,
    },
  ],
];

describe('an artifact that is not what the repository lists', () => {
  it.each([
    ...commonFaults({ path: mavenPaths.jar, foreign: () => scene.foreign.jar ?? Buffer.alloc(0), mismatch }),
    ...repositoryFaults,
  ])('%s: refused and recorded, Maven says why (promises 1, 4)', async (_name, fault) => {
    const { ran } = await expectRefused(scene, fault, resolveProject);
    expect(ran.stdout).toContain('BUILD FAILURE');
    expect(ran.stdout).toContain('403');
  });

  it('a redirect to another host is refused there', async () => {
    const host = 'elsewhere.registry.example';
    const to = keepForTest(
      await startHttpsUpstream((_request, response) => void response.end('x'), { ca: scene.ca, host }),
    );
    await expectRedirectRefused(scene, { path: mavenPaths.jar, to }, resolveProject);
  });
});
