import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { mustRun, runProgram } from '@waybill/testkit';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

/** The files of deploy/, as the programs that read them see them. */
const deploy = fileURLToPath(new URL('../../../deploy/', import.meta.url));
const unitName = 'waybill-fetch-service.service';
let directory: string;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'waybill-deploy-'));
});
afterEach(() => rm(directory, { recursive: true }));

describe('deploy/systemd', () => {
  it('the unit has no mistake', async () => {
    const text = await readFile(`${deploy}systemd/${unitName}`, 'utf8');
    // Programs that are not installed here would be the only thing it complains of.
    const unit = join(directory, unitName);
    await writeFile(unit, text.replace(/\/usr\/lib\/waybill\/bin\/\w[\w-]*/g, '/bin/true'));
    const { code, stdout, stderr } = await runProgram('systemd-analyze', ['verify', '--man=no', unit]);
    expect(`${stdout}${stderr}`).not.toContain(unitName);
    expect(code).toBe(0);
  });

  it('the unit gives the service little: exposure of 1.5 at most, of 10', async () => {
    const options = ['security', '--offline=true', '--no-pager', '--threshold=15'];
    const { code, stdout } = await runProgram('systemd-analyze', [...options, `${deploy}systemd/${unitName}`]);
    expect(stdout).toContain('Overall exposure level');
    expect(code, stdout).toBe(0);
  });

  it('the user and the directories can be made', async () => {
    await mkdir(join(directory, 'etc'));
    await writeFile(join(directory, 'etc/passwd'), 'root:x:0:0::/root:/bin/sh\n');
    await writeFile(join(directory, 'etc/group'), 'root:x:0:\n');
    await mustRun('systemd-sysusers', [`--root=${directory}`, `${deploy}systemd/waybill.sysusers.conf`]);
    expect(await readFile(join(directory, 'etc/passwd'), 'utf8')).toMatch(
      /^waybill:x:\d+:\d+:.*:\/usr\/sbin\/nologin$/m,
    );
    const { stderr } = await runProgram('systemd-tmpfiles', [
      '--create',
      `--root=${directory}`,
      `${deploy}systemd/waybill.tmpfiles.conf`,
    ]);
    expect(stderr).not.toMatch(/invalid|unknown|syntax/i);
  });
});

it('nginx takes deploy/nginx/waybill.conf', async () => {
  const text = await readFile(`${deploy}nginx/waybill.conf`, 'utf8');
  const config = join(directory, 'nginx.conf');
  const own = text.replace(/fetch-[ab]:/g, '127.0.0.1:').replace('/tmp/nginx.pid', join(directory, 'pid'));
  await writeFile(config, own);
  const { code, stderr } = await runProgram('nginx', ['-t', '-e', 'stderr', '-c', config]);
  expect(stderr).toContain('test is successful');
  expect(code).toBe(0);
});

it('HAProxy takes deploy/haproxy/waybill.cfg', async () => {
  const config = join(directory, 'haproxy.cfg');
  const text = await readFile(`${deploy}haproxy/waybill.cfg`, 'utf8');
  await writeFile(config, text.replace(/ fetch-[ab]:/g, ' 127.0.0.1:'));
  const { code, stdout, stderr } = await runProgram('haproxy', ['-c', '-f', config]);
  expect(`${stdout}${stderr}`).not.toContain('[WARNING]');
  expect(code).toBe(0);
});
