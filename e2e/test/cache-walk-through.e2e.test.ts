import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { chmod, copyFile, mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type CraftProject, craftYaml, createCraftProject, script } from './harness/craft-project.js';
import { binDir } from './harness/daemon.js';
import { keepForFile } from './harness/keep.js';
import { type PageBlock, readPage } from './harness/page.js';
import { freePorts } from './harness/ports.js';
import { type Ran, run } from './harness/run.js';
import { noSshd, startSshd } from './harness/sshd.js';
import { createTempDir, type TempDir } from './harness/temp-dir.js';
import { until } from './harness/until.js';

const reason = await noSshd();
if (reason && process.env.WAYBILL_CI) throw new Error(reason);
const keep = keepForFile();
const artifact = 'sample_1.0_here.tar.gz';

/** What a part is made of: no network, and bytes that say who built it would show. */
const parts = { hello: script('echo hello > "$CRAFT_PART_INSTALL/hello"') };
const more = { ...parts, mine: script('echo mine > "$CRAFT_PART_INSTALL/mine"') };

interface Person {
  readonly home: string;
  readonly env: NodeJS.ProcessEnv;
  readonly project: CraftProject;
}

describe.skipIf(reason)(`docs/artifact-cache/walk-through.md${reason ? ` (${reason})` : ''}`, () => {
  const user = `wb${randomBytes(4).toString('hex')}`;
  const people = new Map<string, Person>();
  const background: { child: ChildProcess; ended: Promise<unknown>; output: string }[] = [];
  let page: readonly PageBlock[];
  let dir: TempDir;
  let depotHome: string;
  let ids: { readonly uid: number; readonly gid: number };
  let ports: { readonly control: number; readonly proxy: number };
  let hasUser = false;

  /** The page's names of machine, account and ports, as they are here. */
  const here = (text: string) =>
    text
      .replaceAll('/usr/local/bin/artifact-cache', join(binDir, 'artifact-cache'))
      .replaceAll('/srv/depot', depotHome)
      .replaceAll('DNS:cache.example', 'IP:127.0.0.1')
      .replaceAll('cache.example', '127.0.0.1')
      .replaceAll('0.0.0.0:', '127.0.0.1:')
      .replaceAll('8443', String(ports.control))
      .replaceAll('2222', String(ports.proxy))
      .replace(/\bdepot\b/g, user);

  const environment = (home: string): NodeJS.ProcessEnv => ({
    PATH: `${binDir}:${process.env.PATH}`,
    LANG: 'C.UTF-8',
    HOME: home,
    TMPDIR: join(home, 'tmp'),
    WAYBILL_RUNTIME_DIR: join(home, 'run'),
    // ssh asks the user database for the home, which these people share.
    WAYBILL_SSH_COMMAND: `ssh -F ${home}/.ssh/config`,
  });

  async function person(name: string, files: Record<string, object>): Promise<Person> {
    const home = dir.at(name);
    for (const folder of ['.ssh', '.config/waybill', 'tmp', 'run']) {
      await mkdir(join(home, folder), { recursive: true, mode: 0o700 });
    }
    const ssh = [
      `IdentityFile ${home}/.ssh/id_ed25519`,
      `UserKnownHostsFile ${home}/.ssh/known_hosts`,
      'IdentitiesOnly yes',
    ];
    await writeFile(join(home, '.ssh/config'), `${ssh.join('\n')}\n`, { mode: 0o600 });
    const project = await createCraftProject(join(home, 'project'), { 'craft.yaml': craftYaml(files) });
    const found = { home, env: environment(home), project };
    people.set(name, found);
    return found;
  }

  const asDepot = () => ({ cwd: depotHome, env: environment(depotHome), ...ids });

  /** Runs a block of the page as who it is for. */
  async function perform(block: PageBlock): Promise<Ran> {
    const command = ['-e', '-u', '-c', here(block.text)];
    const who = block.values.as;
    if (who === 'root') return await run('sh', command);
    if (who === 'depot') {
      const as = ['--reuid', String(ids.uid), '--regid', String(ids.gid), '--clear-groups', 'sh', ...command];
      return await run('setpriv', as, { cwd: depotHome, env: environment(depotHome) });
    }
    const { env, project } = people.get(who ?? '') as Person;
    return await run('sh', command, { cwd: project.dir, env });
  }

  async function place(block: PageBlock): Promise<void> {
    const { as: who = '', file = '' } = block.values;
    const path = join(who === 'depot' ? depotHome : (people.get(who) as Person).home, file);
    await mkdir(dirname(path), { recursive: true });
    await writeFile(path, here(block.text));
    // "The certificate lies beside the file."
    if (who !== 'depot') await copyFile(join(depotHome, 'artifacts/cache.crt'), join(dirname(path), 'cache.crt'));
  }

  async function serve(block: PageBlock): Promise<void> {
    const child = spawn('sh', ['-c', `exec ${here(block.text)}`], { ...asDepot(), stdio: ['ignore', 'pipe', 'pipe'] });
    const running = { child, ended: new Promise((resolve) => child.once('close', resolve)), output: '' };
    background.push(running);
    for (const stream of [child.stdout, child.stderr]) {
      stream?.setEncoding('utf8').on('data', (text: string) => {
        running.output += text;
      });
    }
    await until('the server answers', async () => {
      if (child.exitCode !== null) throw new Error(`the server ended with ${child.exitCode}: ${running.output}`);
      return (await ask('/healthz')).code === 0;
    });
  }

  const ask = (path: string) =>
    run('curl', [
      '-sSf',
      '--cacert',
      join(depotHome, 'artifacts/cache.crt'),
      `https://127.0.0.1:${ports.control}${path}`,
    ]);

  async function step(id: string, code = 0): Promise<string> {
    const block = page.find(({ values }) => values.id === id);
    if (!block) throw new Error(`the page has no block ${id}`);
    const ran = await perform(block);
    const output = `${ran.stdout}\n${ran.stderr}`;
    expect(ran.code, output).toBe(code);
    return output;
  }

  const ssh = (name: string, ...words: string[]) => {
    const { home } = people.get(name) as Person;
    const where = ['-F', join(home, '.ssh/config'), '-o', 'BatchMode=yes', '-p', String(ports.proxy), '-l', user];
    return run('ssh', [...where, '127.0.0.1', ...words]);
  };

  beforeAll(async () => {
    page = await readPage('artifact-cache/walk-through.md');
    dir = keep(await createTempDir());
    await chmod(dir.path, 0o755);
    depotHome = dir.at('keeper');
    ports = await freePorts();
    for (const name of ['alice', 'bob']) await person(name, parts);
    const carol = await person('carol', more);
    for (const block of page) {
      const { id, file } = block.values;
      if (id) break;
      if (file) await place(block);
      else if (block.words.has('sshd')) {
        keep(await startSshd(ports.proxy, here(block.text).trim().split('\n')));
      } else if (block.words.has('background')) await serve(block);
      else expect(await perform(block)).toMatchObject({ code: 0 });
      if (block.values.as === 'root') {
        hasUser = true;
        const [uid, gid] = await Promise.all([run('id', ['-u', user]), run('id', ['-g', user])]);
        ids = { uid: Number(uid.stdout), gid: Number(gid.stdout) };
      }
    }
    // Carol does what Alice did.
    for (const block of page) {
      if (block.values.as !== 'alice' || block.values.id) continue;
      if (block.values.file) await place({ ...block, values: { ...block.values, as: 'carol' } });
      else await run('sh', ['-e', '-c', here(block.text)], { env: carol.env, cwd: carol.home });
    }
    for (const name of ['alice', 'carol']) {
      await copyFile(join(dir.at(name), '.ssh/id_ed25519.pub'), join(depotHome, `${name}.pub`));
      await chmod(join(depotHome, `${name}.pub`), 0o644);
    }
  });

  afterAll(async () => {
    for (const { child, ended } of background) {
      child.kill();
      await ended;
    }
    if (hasUser) await run('userdel', [user]);
  });

  it('lets Alice build, and tells her that nobody knows her key', async () => {
    const output = await step('first');
    expect(output).toMatch(/does not know your ssh key/);
    expect(output).not.toContain('from cache');
    expect((await ask('/v1/namespaces/main/entries')).stdout).toContain('"entries":[]');
  });

  it('takes what Alice has, once her key is added, and gives it to Bob at once', async () => {
    await step('add');
    expect(await step('push')).toMatch(/pushed/);
    const { entries } = JSON.parse((await ask('/v1/namespaces/main/entries')).stdout) as {
      entries: { writer: string }[];
    };
    expect(entries.length).toBeGreaterThan(0);
    expect(new Set(entries.map(({ writer }) => writer))).toEqual(new Set(['alice']));
    const output = await step('pull');
    expect(output).toMatch(/build hello from cache/);
    const [alice, bob] = ['alice', 'bob'].map((name) => (people.get(name) as Person).project);
    expect(await bob?.sha256(artifact)).toBe(await alice?.sha256(artifact));
  });

  it('lets Carol pull, and take nothing but that from her right', async () => {
    await step('add-reader');
    const output = await step('reader', 1);
    expect(output).toMatch(/build hello from cache/);
    expect(output).toMatch(/FORBIDDEN/);
    expect((await ask('/v1/namespaces/main/entries')).stdout).not.toContain('/mine/');
  });

  it.each(['id', 'sh -c id', 'artifact-cache serve', 'scp -t .', 'artifact-cache receive main; id'])(
    'does not run %s for those who may log in',
    async (command) => {
      const ran = await ssh('alice', command);
      expect(ran.code).toBe(64);
      expect(ran.stdout).not.toContain('uid=');
      expect(ran.stderr).toMatch(/does not run/);
    },
  );

  it('gives nobody a shell', async () => {
    const ran = await ssh('alice');
    expect(ran.code).toBe(64);
    expect(ran.stderr).toMatch(/no shell/);
  });

  it('takes nothing from Alice any more when her key is removed, and Bob keeps pulling', async () => {
    await step('remove');
    const { project } = people.get('alice') as Person;
    await project.write({ 'craft.yaml': craftYaml({ hello: script('echo two > "$CRAFT_PART_INSTALL/hello"') }) });
    expect(await step('first')).toMatch(/does not know your ssh key/);
    const bob = await person('bob-again', parts);
    await writeFile(join(bob.home, '.config/waybill/craft.yaml'), here(bobsFile()));
    await copyFile(join(depotHome, 'artifacts/cache.crt'), join(bob.home, '.config/waybill/cache.crt'));
    const again = await run('craft', ['pack'], { cwd: bob.project.dir, env: bob.env });
    expect(again.stdout + again.stderr).toMatch(/build hello from cache/);
  });

  function bobsFile(): string {
    return page.find(({ values }) => values.as === 'bob' && values.file)?.text ?? '';
  }
});
