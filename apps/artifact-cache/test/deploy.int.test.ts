import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { runProgram } from '@waybill/testkit';
import { expect, it } from 'vitest';

const systemd = fileURLToPath(new URL('../../../deploy/systemd/', import.meta.url));
const name = 'waybill-artifact-cache.service';

it('the unit has no mistake, and gives the server little: exposure of 1.5 at most, of 10', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'waybill-deploy-'));
  try {
    const text = await readFile(`${systemd}${name}`, 'utf8');
    const unit = join(directory, name);
    // Programs that are not installed here would be the only thing it complains of.
    await writeFile(unit, text.replace(/\/usr\/lib\/waybill\/bin\/\w[\w-]*/g, '/bin/true'));
    const { code, stdout, stderr } = await runProgram('systemd-analyze', ['verify', '--man=no', unit]);
    expect(`${stdout}${stderr}`).not.toContain(name);
    expect(code).toBe(0);
    const options = ['security', '--offline=true', '--no-pager', '--threshold=15'];
    const security = await runProgram('systemd-analyze', [...options, `${systemd}${name}`]);
    expect(security.code, security.stdout).toBe(0);
  } finally {
    await rm(directory, { recursive: true });
  }
});
