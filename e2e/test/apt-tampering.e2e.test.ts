import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import {
  type AptUpstream,
  type AptUpstreamOptions,
  buildAptRepository,
  createAptSigningKey,
  startAptUpstream,
} from '@waybill/testkit';
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import { type AptScene, deb, openAptScene, update } from './harness/apt-scene.js';
import { keepForFile } from './harness/keep.js';
import { verdictOf } from './harness/report.js';

const keep = keepForFile();
let scene: AptScene;

beforeAll(async () => {
  scene = await openAptScene(keep);
});
afterEach(() => scene.upstream.setTamper(undefined));

interface Fault {
  readonly tamper?: AptUpstreamOptions['tamper'];
  readonly key?: () => Promise<string>;
  readonly from?: () => AptUpstream;
  /** Path of the first file that must be refused. */
  readonly refused: string;
  readonly reason: RegExp;
}

const flip = (bytes: Buffer) => {
  const copy = Buffer.from(bytes);
  copy[copy.length >> 1] = (copy[copy.length >> 1] ?? 0) ^ 1;
  return copy;
};

describe('a repository that is not what its key signs', () => {
  let expired: AptUpstream;
  let otherIndex: Buffer;

  beforeAll(async () => {
    const day = 24 * 60 * 60_000;
    const old = await buildAptRepository({
      dir: scene.dir.at('expired'),
      key: scene.repository.key,
      date: new Date(Date.now() - 9 * day),
      validUntil: new Date(Date.now() - 2 * day),
      packages: [{ name: 'tiny', version: '0.9', arch: 'all' }],
    });
    expired = keep(await startAptUpstream({ dir: old.dir }));
    otherIndex = await readFile(join(old.dir, 'dists/stable/main/binary-amd64/Packages.xz'));
  });

  const faults: readonly (readonly [string, Fault])[] = [
    [
      'an index with a changed byte',
      {
        tamper: async (path, content) => (path.includes('binary-amd64') ? flip(await content()) : undefined),
        refused: 'binary-amd64',
        reason: /release/,
      },
    ],
    [
      'an index of another release',
      {
        tamper: (path) => (path.includes('binary-amd64') ? otherIndex : undefined),
        refused: 'binary-amd64',
        reason: /release/,
      },
    ],
    [
      'a package with a changed byte',
      {
        tamper: async (path, content) => (path.endsWith('.deb') ? flip(await content()) : undefined),
        refused: deb,
        reason: /sha256|Packages/,
      },
    ],
    [
      'a release whose text was changed',
      {
        // Both forms: with one of them left, apt takes that and is right to.
        tamper: async (path, content) =>
          /\/(In)?Release$/.test(path)
            ? Buffer.from((await content()).toString().replace('Test Archive', 'Best Archive'))
            : undefined,
        refused: 'InRelease',
        reason: /signature/i,
      },
    ],
    [
      'a release that another key signed',
      {
        key: async () => {
          const key = await createAptSigningKey({ userId: 'Other <other@deb.registry.example>' });
          await key.remove();
          return key.publicKeyArmor;
        },
        refused: 'InRelease',
        reason: /key/i,
      },
    ],
    ['a release that has expired', { from: () => expired, refused: 'InRelease', reason: /Valid-Until|expired/ }],
  ];

  it.each(faults)('%s: refused, apt says why, permissive records the same (promises 1, 4)', async (_name, fault) => {
    const from = fault.from?.() ?? scene.upstream;
    const key = (await fault.key?.()) ?? scene.repository.publicKeyArmor;
    scene.upstream.setTamper(fault.tamper);
    // apt checks the same things; without its own checks the session's are what is left.
    const config = 'Acquire::Check-Valid-Until "false";\nAcquire::AllowInsecureRepositories "true";';
    const runs = [];
    for (const policy of ['strict', 'permissive'] as const) {
      const session = await scene.openSession(policy, { key, from });
      const apt = await scene.sandbox(session, { from, config });
      const ran = [await apt.aptGet(...update), await apt.aptGet('download', 'tiny')];
      const report = await session.finish();
      const verdict = report.refusals.find(({ url }) => url.includes(fault.refused));
      runs.push({ ran, report, verdict, downloads: await apt.downloads() });
    }
    const [strict, permissive] = runs;
    expect(strict?.verdict).toMatchObject({ delivered: false, 'status-code': 403 });
    expect(strict?.verdict?.reason).toMatch(fault.reason);
    expect(strict?.downloads).toEqual([]);
    expect(strict?.ran.map(({ stderr }) => stderr).join('')).toMatch(/403\s+Forbidden: /);
    expect(permissive?.verdict).toMatchObject({ delivered: true });
    const [wanted, recorded] = [strict?.verdict, permissive?.verdict].map((verdict) => verdict && verdictOf(verdict));
    expect(recorded).toEqual(wanted);
  });
});
