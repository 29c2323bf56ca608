import { mkdir, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { createThrowawayCa } from '@waybill/testkit';
import { beforeAll, describe, expect, it } from 'vitest';
import type { CraftUser } from './harness/craft.js';
import { type FilesScene, get, openFilesScene } from './harness/craft-files.js';
import { type CraftProject, craftYaml } from './harness/craft-project.js';
import { type Daemon, startDaemon } from './harness/daemon.js';
import { keepForFile } from './harness/keep.js';
import { sha256 } from './harness/report.js';
import type { Ran } from './harness/run.js';
import type { Session } from './harness/session.js';

const keep = keepForFile();
const artifact = 'sample_1.0_here.tar.gz';

let scene: FilesScene;
let user: CraftUser;
let daemon: Daemon;
beforeAll(async () => {
  scene = await openFilesScene(keep);
  user = await scene.user();
  const files = [
    { url: scene.listed, sha256: sha256('listed\n') },
    { url: scene.slow, sha256: sha256('slow\n') },
  ];
  daemon = keep(await startDaemon({ inspectors: { generic: { files } }, env: { NODE_EXTRA_CA_CERTS: scene.caFile } }));
});

/** What the owner of a session exports (specs/craft-client.md §2.1). */
function variables(session: Session): Record<string, string> {
  return {
    CRAFT_USE_EXTERNAL_FETCH_SERVICE: '1',
    CRAFT_PROXY_CERT: session.caFile,
    http_proxy: `${session.proxyUrl}/`,
    https_proxy: `${session.proxyUrl}/`,
  };
}

/** Runs craft with these variables. */
function craft(project: CraftProject, args: readonly string[], env: NodeJS.ProcessEnv): Promise<Ran> {
  return user.craft(project, args, { env });
}

describe('an external session', () => {
  it('is used, left open, and its owner has the report', async () => {
    const session = await daemon.createSession('strict');
    const project = await scene.project(user, `${get('LISTED')}\nenv > "$CRAFT_PART_INSTALL/env.txt"`);
    const ran = await craft(project, ['pack', '--verbosity', 'trace'], variables(session));
    expect(ran, ran.stderr).toMatchObject({ code: 0 });
    expect(await project.made()).toEqual([artifact]);
    expect(ran.stdout).toMatch(/^Packed sample_1\.0_here\.tar\.gz \(.*\)\n {2}sha256 [0-9a-f]{64}\n$/);
    expect(await user.runtime()).toBeUndefined();
    const inside = await project.read('.craft/external-here/prime/env.txt');
    expect(inside).toContain('https_proxy=http://127.0.0.1:3128');
    expect(inside).not.toContain('CRAFT_USE_EXTERNAL_FETCH_SERVICE');
    expect(inside + ran.stdout + ran.stderr).not.toContain(session.token);
    const report = await session.finish();
    expect(report.artifacts.map(({ metadata }) => metadata.sha256)).toEqual([sha256('listed\n')]);
  });

  it('that refuses ends the build; what the build swallows is for the owner to see', async () => {
    const session = await daemon.createSession('strict');
    const failing = await scene.project(user, get('UNLISTED'));
    const failed = await craft(failing, ['pack'], variables(session));
    expect(failed.code).toBe(1);
    expect(failed.stderr).toContain('CRAFT_PART_FAILED');
    expect(await failing.made()).toEqual([]);
    const swallowing = await scene.project(user, `${get('UNLISTED')} || true`);
    expect((await craft(swallowing, ['pack'], variables(session))).code).toBe(0);
    expect((await session.finish()).refusals).toHaveLength(2);
  });

  it('is used by every command that builds, one after the other, and another session starts anew', async () => {
    const session = await daemon.createSession('strict');
    const project = await user.project({
      'craft.yaml': craftYaml({
        app: { ...scene.part(get('LISTED')), source: scene.listed, 'source-type': 'file' },
      }),
    });
    for (const step of ['pull', 'build', 'stage', 'prime']) {
      const ran = await craft(project, [step], variables(session));
      expect(ran, ran.stderr).toMatchObject({ code: 0, stdout: '' });
    }
    const again = await craft(project, ['prime'], variables(session));
    expect(again.stderr.match(/done before/g)).toHaveLength(4);
    const report = await session.finish();
    expect(report.artifacts.flatMap(({ downloads }) => downloads)).toHaveLength(2);
    const next = await daemon.createSession('strict');
    const fresh = await craft(project, ['pull'], variables(next));
    expect(fresh.stderr).toBe('pull  app\n');
    expect((await next.finish()).artifacts).toHaveLength(1);
  });

  it('that is over: the build fails and says why', async () => {
    const session = await daemon.createSession('strict');
    await session.revoke();
    const project = await scene.project(user, get('LISTED'));
    const ran = await craft(project, ['pack'], variables(session));
    expect(ran.code).toBe(1);
    expect(ran.stderr).toMatch(/407|502/);
    expect(ran.stderr).not.toContain(session.token);
  });

  it.each(['0', 'true', 'yes', ''])('is not used with CRAFT_USE_EXTERNAL_FETCH_SERVICE=%j', async (value) => {
    const project = await scene.project(user, 'echo built > "$CRAFT_PART_INSTALL/built"');
    const env = { CRAFT_USE_EXTERNAL_FETCH_SERVICE: value, CRAFT_PROXY_CERT: '/nonexistent' };
    const ran = await craft(project, ['pack'], env);
    expect(ran, ran.stderr).toMatchObject({ code: 0 });
    expect(await project.made()).toContain('prime');
  });
});

describe('checks before anything is touched', () => {
  let good: Record<string, string>;
  let folder: string;
  let text: string;
  let expiredFile: string;
  let nobody: string;
  let token: string;
  beforeAll(async () => {
    const session = await daemon.createSession('strict');
    good = variables(session);
    token = session.token;
    folder = user.at('folder');
    await mkdir(folder);
    text = user.at('text.pem');
    await writeFile(text, 'no certificate\n');
    expiredFile = user.at('expired.pem');
    const expired = await createThrowawayCa({ clock: { now: () => new Date('2001-01-01T00:00:00Z') } });
    await writeFile(expiredFile, expired.certificatePem);
    const port = await closedPort();
    nobody = `http://id:topsecret@127.0.0.1:${port}/`;
  });

  it.each<[string, () => Record<string, string>, string, string]>([
    ['no certificate named', () => ({ CRAFT_PROXY_CERT: '' }), 'CRAFT_EXTERNAL_INVALID', 'CRAFT_PROXY_CERT is not set'],
    ['no such certificate', () => ({ CRAFT_PROXY_CERT: '/nonexistent.pem' }), 'CRAFT_EXTERNAL_INVALID', 'ENOENT'],
    ['a folder', () => ({ CRAFT_PROXY_CERT: folder }), 'CRAFT_EXTERNAL_INVALID', 'is not a regular file'],
    ['no certificate inside', () => ({ CRAFT_PROXY_CERT: text }), 'CRAFT_EXTERNAL_INVALID', 'is not a PEM certificate'],
    ['an expired certificate', () => ({ CRAFT_PROXY_CERT: expiredFile }), 'CRAFT_EXTERNAL_INVALID', 'which is not now'],
    ['no http_proxy', () => ({ http_proxy: '' }), 'CRAFT_EXTERNAL_INVALID', 'http_proxy is not set'],
    ['no https_proxy', () => ({ https_proxy: '' }), 'CRAFT_EXTERNAL_INVALID', 'https_proxy is not set'],
    ['no URL', () => ({ http_proxy: 'proxy' }), 'CRAFT_EXTERNAL_INVALID', 'http_proxy is not a URL'],
    [
      'no credentials',
      () => ({ http_proxy: 'http://127.0.0.1:1/', https_proxy: 'http://127.0.0.1:1/' }),
      'CRAFT_EXTERNAL_INVALID',
      "lacks the session's id and token",
    ],
    [
      'two proxies',
      () => ({ https_proxy: 'http://other:topsecret@127.0.0.1:1/' }),
      'CRAFT_EXTERNAL_INVALID',
      'http_proxy and https_proxy name different proxies',
    ],
    [
      'nobody there',
      () => ({ http_proxy: nobody, https_proxy: nobody }),
      'CRAFT_EXTERNAL_UNREACHABLE',
      'cannot be reached: connect ECONNREFUSED',
    ],
  ])('%s', async (_name, wrong, code, message) => {
    const project = await scene.project(user, get('LISTED'));
    for (const command of ['pack', 'build']) {
      const ran = await craft(project, [command], { ...good, ...wrong() });
      expect(ran, ran.stderr).toMatchObject({ code: 1, stdout: '' });
      expect(ran.stderr).toMatch(/^craft: /);
      expect(ran.stderr).toContain(`[${code}]`);
      expect(ran.stderr).toContain(message);
      expect(ran.stderr).not.toContain('topsecret');
      expect(ran.stderr).not.toContain(token);
      expect(await project.made()).toEqual([]);
      expect(await user.craft(project, ['clean'])).toMatchObject({ code: 0 });
    }
  });

  it('a conflict with the option', async () => {
    const project = await scene.project(user, get('LISTED'));
    const ran = await craft(project, ['pack', '--enable-fetch-service'], good);
    expect(ran).toMatchObject({ code: 1, stdout: '' });
    expect(ran.stderr).toMatch(
      /^craft: --enable-fetch-service and CRAFT_USE_EXTERNAL_FETCH_SERVICE=1 exclude each other \[CRAFT_SESSION_CONFLICT\]\n {2}→ leave/,
    );
    expect(await project.made()).toEqual([]);
    expect(await user.runtime()).toBeUndefined();
  });
});

async function closedPort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}
