import { startHttpsUpstream } from '@waybill/testkit';
import { beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { buildProgram, type CargoScene, cratePaths, hasCargo, openCargoScene } from './harness/cargo-scene.js';
import { keepForFile, keepForTest } from './harness/keep.js';
import {
  changing,
  commonFaults,
  editing,
  expectRedirectRefused,
  expectRefused,
  type Fault,
} from './harness/refused.js';
import { sha256 } from './harness/report.js';

const keep = keepForFile();
let scene: CargoScene;
const mismatch = /expected leaf 1\.0\.0 with sha256:\w+~?, found sha256:/;

/** What the index may say instead of the truth. */
const indexFaults: readonly (readonly [string, Fault])[] = [
  [
    'an index line with another checksum',
    {
      tamper: editing(cratePaths.index, (lines) => lines.replace(/"cksum":"\w+"/, `"cksum":"${'0'.repeat(64)}"`)),
      refused: cratePaths.leaf,
      reason: /expected leaf 1\.0\.0 with sha256:000000/,
    },
  ],
  [
    'an index line that fits, for a crate of another name',
    {
      tamper: (path, given) => {
        if (path === cratePaths.leaf) return { ...given, body: scene.middle.bytes };
        if (path !== cratePaths.index) return undefined;
        const line = scene.leaf.line.replace(/"cksum":"\w+"/, `"cksum":"${sha256(scene.middle.bytes)}"`);
        return { ...given, body: Buffer.from(line) };
      },
      refused: cratePaths.leaf,
      reason: /leaf 1\.0\.0.*middle/,
    },
  ],
  [
    'the index lines of another crate',
    {
      tamper: changing(cratePaths.index, (given) => ({ ...given, body: Buffer.from(scene.middle.line) })),
      refused: cratePaths.index,
      reason: /expected lines of leaf, found "middle"/,
    },
  ],
  [
    'one version twice with different checksums',
    {
      tamper: editing(
        cratePaths.index,
        (lines) => `${lines}${lines.replace(/"cksum":"\w+"/, `"cksum":"${'0'.repeat(64)}"`)}`,
      ),
      refused: cratePaths.index,
      reason: /twice/,
    },
  ],
];

describe.skipIf(!(await hasCargo()))('a crate that is not what the index lists', () => {
  beforeAll(async () => {
    scene = await openCargoScene(keep);
  });
  beforeEach(() => scene.upstream.tamper(undefined));

  it.each([...commonFaults({ path: cratePaths.leaf, foreign: () => scene.foreign.bytes, mismatch }), ...indexFaults])(
    '%s: refused and recorded, cargo says why (promises 1, 4)',
    async (_name, fault) => {
      await expectRefused(scene, fault, buildProgram);
    },
  );

  it('cargo shows what was refused, why, and what to do', async () => {
    const [, fault] = commonFaults({ path: cratePaths.leaf, foreign: () => scene.foreign.bytes, mismatch })[0] ?? [];
    if (!fault) throw new Error('no fault');
    const { ran, refusal } = await expectRefused(scene, fault, buildProgram);
    expect(ran.stderr).toContain(`${scene.origin}${cratePaths.leaf}`);
    expect(ran.stderr).toContain('got 403');
    expect(refusal.hint).toBeTruthy();
    expect(ran.stderr.replace(/\s+/g, ' ')).toContain(refusal.hint);
  });

  it('a redirect to another host is refused there', async () => {
    const to = keepForTest(await startHttpsUpstream((_request, response) => void response.end('x'), { ca: scene.ca }));
    await expectRedirectRefused(scene, { path: cratePaths.leaf, to }, buildProgram);
  });
});
