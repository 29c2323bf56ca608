import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { RuntimeFile } from '@waybill/contracts';
import { type EscapeAttempt, escapeProbe, parseEscapes } from '@waybill/testkit';
import { beforeAll, describe, expect, it } from 'vitest';
import type { CraftUser } from './harness/craft.js';
import { type FilesScene, get, openFilesScene } from './harness/craft-files.js';
import { keepForFile } from './harness/keep.js';

const keep = keepForFile();
const failure = 'sample_1.0_here.json';
const strict = ['pack', '--enable-fetch-service'];

let scene: FilesScene;
let user: CraftUser;
let runtime: RuntimeFile;
beforeAll(async () => {
  scene = await openFilesScene(keep);
  user = await scene.user();
  // The daemon that it starts goes on: what it has is what the build is after.
  const first = await user.craft(await scene.project(user, get('LISTED')), strict);
  expect(first, first.stderr).toMatchObject({ code: 0 });
  runtime = (await user.runtime()) as RuntimeFile;
});

/** Everything of the daemon and its user that a build could be after. */
async function ways(): Promise<string[]> {
  const files: string[] = [];
  const sockets: string[] = [];
  for (const place of ['state', 'run', 'config', 'tmp', 'home']) {
    for (const entry of await readdir(user.at(place), { recursive: true, withFileTypes: true })) {
      const path = join(entry.parentPath, entry.name);
      if (entry.isSocket()) sockets.push(path);
      else if (entry.isFile() && (await stat(path)).size > 0) files.push(path);
    }
  }
  const secrets = files.filter((path) => /key|fetch-service\.json|\.yaml$|sessions\.db$/.test(path));
  // Otherwise the test would look for nothing.
  expect([secrets.length > 2, sockets.length > 0]).toEqual([true, true]);
  const ports = [runtime['control-url'], runtime['proxy-url']].map((url) => new URL(url).port);
  return [
    ...ports.map((port) => `tcp\t127.0.0.1\t${port}`),
    ...sockets.map((path) => `unix\t${path}`),
    ...secrets.map((path) => `file\t${path}`),
    `proc\t${runtime.auth}`,
    `signal\t${runtime.pid}`,
    `below\t${runtime.pid}\t${secrets[0]}`,
  ];
}

async function probe(args: readonly string[]): Promise<EscapeAttempt[]> {
  const list = await ways();
  const project = await scene.project(user, '"$CRAFT_PROJECT_DIR/run"');
  await project.write({
    'probe.pl': escapeProbe,
    ways: list.join('\n'),
    'craft.yaml': JSON.parse(
      (await project.read('craft.yaml')).replace(
        '\\"$CRAFT_PROJECT_DIR/run\\"',
        `perl ${project.at('probe.pl')} ${project.at('ways')} > $CRAFT_PART_INSTALL/found`,
      ),
    ),
  });
  const ran = await user.craft(project, [...strict, ...args]);
  expect(ran, ran.stderr).toMatchObject({ code: 0 });
  const found = parseEscapes(await project.read('.craft/strict-here/prime/found'));
  expect(found).toHaveLength(list.length);
  return found;
}

describe('a build that is after the daemon and its secrets', () => {
  it('finds them on the host: the probe works', async () => {
    const shut = (await probe(['--destructive-mode'])).filter(({ isOpen }) => !isOpen);
    expect(shut).toEqual([]);
  });

  it('finds nothing in a sandbox (promises 6, 9)', async () => {
    expect((await probe([])).filter(({ isOpen }) => isOpen)).toEqual([]);
  });

  it('gets nothing by way of the relay that the session would not give it', async () => {
    const other = await user.control('POST', '/session', { policy: 'strict' });
    const { id, token } = (await other.json()) as { id: string; token: string };
    const [control, proxy] = [runtime['control-url'], runtime['proxy-url']];
    const mine = `curl -s -o /dev/null -w '%{http_code} %{http_connect}\\n'`;
    const script = [
      'exec > "$CRAFT_PART_INSTALL/answers"',
      `${mine} ${control}/status || true`,
      `${mine} ${proxy}/ || true`,
      `${mine} -k ${control.replace('http', 'https')}/status || true`,
      `${mine} http://[::ffff:127.0.0.1]:${new URL(control).port}/status || true`,
      `${mine} http://169.254.169.254/latest/meta-data/ || true`,
      `${mine} -X POST -d 'EHLO x' http://127.0.0.1:25/ || true`,
      // Somebody else's session: the relay knows whose build this is.
      `${mine} -H 'Proxy-Authorization: Basic ${Buffer.from(`${id}:${token}`).toString('base64')}' --proxy-header 'Proxy-Authorization: Basic ${Buffer.from(`${id}:${token}`).toString('base64')}' "$LISTED"`,
      get('LISTED'),
    ];
    const project = await scene.project(user, script.join('\n'));
    const ran = await user.craft(project, strict);
    // What was refused fails the pack, and that is the point; the build itself went on.
    expect(ran.code, ran.stderr).toBe(2);
    const answers = (await project.read('.craft/strict-here/parts/app/install/answers')).trim().split('\n');
    expect(answers).toEqual([
      '403 000',
      '403 000',
      expect.stringMatching(/^(403|000) /),
      '403 000',
      '403 000',
      '403 000',
      '200 200',
    ]);
    const report = await project.report(failure);
    expect(report.refusals.length).toBeGreaterThanOrEqual(5);
    expect(report.artifacts.flatMap(({ downloads }) => downloads)).toHaveLength(2);
    await user.control('DELETE', `/session/${id}/token`, { token });
    const untouched = await (await user.control('GET', `/session/${id}`)).json();
    expect(untouched).toMatchObject({ artifacts: [], refusals: [] });
    await user.control('DELETE', `/session/${id}`);
  });
});
