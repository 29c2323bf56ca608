import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inspectorsConfigSchema } from '@waybill/contracts';
import { runProgram } from '@waybill/testkit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { daemonFile } from './daemon.js';

let directory: string;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'waybill-init-'));
});
afterAll(() => rm(directory, { recursive: true }));

const run = (...args: string[]) => runProgram(process.execPath, [daemonFile, 'config', ...args], { cwd: directory });

describe('config init on this machine', () => {
  it('writes what its clients are configured to use, and check accepts it', async () => {
    const conf = join(directory, 'conf');
    const { code, stdout } = await run('init', `--output=${conf}`, '--git-url=https://git.example/team');
    expect(code).toBe(0);
    expect(stdout).toContain(`next: fetch-service --config=${conf}`);
    const config = inspectorsConfigSchema.parse(parse(await readFile(join(conf, 'inspectors.yaml'), 'utf8')));
    expect(config.git?.urls).toContain('https://git.example:443/team/**');
    const npm = await runProgram('npm', ['config', 'get', 'registry']);
    if (npm.code === 0) expect(config.npm?.registries.default?.url).toBe(npm.stdout.trim());
    for (const repository of Object.values(config.apt?.repositories ?? {})) {
      expect(repository.suites.length).toBeGreaterThan(0);
      expect(repository.urls.every((url) => /^https?:\/\/.*\/\*\*$/.test(url))).toBe(true);
      expect(repository['public-key']).toContain('-----END PGP PUBLIC KEY BLOCK-----');
    }
    const checked = await run('check', conf);
    expect([checked.code, checked.stdout.match(/: valid$/gm)?.length]).toEqual([0, 2]);
    expect((await run('init', `--output=${conf}`)).code).toBe(1);
    expect((await run('init', `--output=${conf}`, '--force', '--git', '--git-url=https://git.example/x')).code).toBe(0);
    expect(Object.keys(parse(await readFile(join(conf, 'inspectors.yaml'), 'utf8')))).toEqual(['git']);
  });

  it('shows the file without writing anything', async () => {
    const { code, stdout } = await run('init', '--output=-', '--git', '--git-url=https://git.example/x');
    expect(code).toBe(0);
    expect(parse(stdout)).toEqual({ git: { urls: ['https://git.example:443/x/**'] } });
  });
});
