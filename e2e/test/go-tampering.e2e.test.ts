import { startHttpsUpstream } from '@waybill/testkit';
import { beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { curl } from './harness/curl.js';
import { createGoLog } from './harness/go-log.js';
import { type GoScene, getModules, goPaths, openGoScene } from './harness/go-scene.js';
import { keepForFile, keepForTest } from './harness/keep.js';
import {
  changing,
  commonFaults,
  editing,
  expectRedirectRefused,
  expectRefused,
  type Fault,
} from './harness/refused.js';

const keep = keepForFile();
let scene: GoScene;
const mismatch =
  /expected vcs\.example\/leaf\.git@v1\.0\.0\S* with h1:\S+ found h1:|does not have the checksum that is given for it|the archive/;

beforeAll(async () => {
  scene = await openGoScene(keep);
  // The service has seen the honest database once, as any that has been running for a while.
  const session = await scene.daemon.createSession('strict');
  expect((await curl(session, `${scene.origin}/proxy/${scene.middle.path}/@v/v1.0.0.mod`)).status).toBe(200);
  await session.finish();
});
beforeEach(() => scene.upstream.tamper(undefined));

const lookupOf = (text: () => string) => changing(goPaths.lookup, (given) => ({ ...given, body: Buffer.from(text()) }));
const name = 'vcs.example/leaf.git@v1.0.0';

/** What the database, or somebody before it, may say instead of the truth. */
const databaseFaults: readonly (readonly [string, Fault])[] = [
  [
    'a lookup with another checksum',
    {
      tamper: editing(goPaths.lookup, (text) => text.replace(/h1:\w{6}/, 'h1:AAAAAA')),
      refused: goPaths.zip,
      reason: /not in the signed tree/,
    },
  ],
  [
    'a lookup that another key signed',
    {
      tamper: lookupOf(() => {
        const other = createGoLog();
        other.add(scene.leaf.lines);
        return other.lookup(name);
      }),
      refused: goPaths.zip,
      reason: /signature/,
    },
  ],
  [
    'a tree head whose text was changed',
    {
      tamper: editing(goPaths.lookup, (text) => text.replace(/(tree\n)\d+/, '$14711')),
      refused: goPaths.zip,
      reason: /signature of sum\.registry\.example is wrong/,
    },
  ],
  [
    'another history of the same key, for this client only',
    {
      tamper: (path, given) => {
        if (path !== goPaths.lookup && !path.endsWith('.p/2')) return undefined;
        const fork = scene.log.fork();
        fork.add(scene.leaf.lines);
        fork.add(scene.middle.lines);
        const files = new Map<string, Buffer>();
        fork.publish({ put: (at, body) => void files.set(at, Buffer.from(body)) }, goPaths.database);
        const body = files.get(path);
        return body && { ...given, status: 200, body };
      },
      refused: goPaths.zip,
      reason: /two histories|contradicts/,
    },
  ],
];

describe('a module that is not what the checksum database lists', () => {
  it.each([...commonFaults({ path: goPaths.zip, foreign: () => scene.foreign.zip, mismatch }), ...databaseFaults])(
    '%s: refused and recorded, go says why (promises 1, 4)',
    async (_name, fault) => {
      await expectRefused(scene, fault, getModules);
    },
  );

  it.each(databaseFaults)('go.mod by itself, %s', async (_name, { tamper, reason }) => {
    const { daemon, upstream, origin } = scene;
    upstream.tamper(tamper);
    const session = await daemon.createSession('strict');
    const got = await curl(session, `${origin}${goPaths.mod}`);
    expect(got.status).toBe(403);
    expect(got.text).toMatch(reason);
    expect(got.text).toContain('do not build with this answer');
    expect((await session.finish()).refusals).toMatchObject([{ inspector: 'go.mod', delivered: false }]);
  });

  it('go.mod with another requirement', async () => {
    const fault = {
      tamper: editing(goPaths.mod, (text) => `${text}\nrequire evil.example v1.0.0\n`),
      refused: goPaths.mod,
      reason: /expected vcs\.example\/leaf\.git@v1\.0\.0\S* with h1:\S+ found h1:/,
    };
    const { ran, refusal } = await expectRefused(scene, fault, getModules);
    // What, why, and what to do.
    expect(ran.stderr).toContain(`${scene.origin}${goPaths.mod}`);
    expect(ran.stderr).toContain('403 Forbidden');
    expect(refusal.hint).toBeTruthy();
    expect(ran.stderr.replace(/\s+/g, ' ')).toContain(refusal.hint);
  });

  it('a redirect to another host is refused there', async () => {
    const to = keepForTest(
      await startHttpsUpstream((_request, response) => void response.end('x'), {
        ca: scene.ca,
        host: 'elsewhere.registry.example',
      }),
    );
    await expectRedirectRefused(scene, { path: goPaths.zip, to }, getModules);
  });
});
