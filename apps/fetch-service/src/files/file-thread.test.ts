import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { FileThread } from './file-thread.js';

describe('the thread that writes files', () => {
  let dir = '';
  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), 'waybill-files-'));
  });
  afterEach(() => rm(dir, { recursive: true }));

  it('does what it is asked in order, whoever asks', async () => {
    const thread = new FileThread();
    const path = join(dir, 'a');
    await mkdir(path);
    await Promise.all([
      thread.write([{ path: join(path, '1'), text: 'one \u{1f600}' }], 0o600),
      thread.remove(path),
      thread.write([{ path, text: 'now a file' }], 0o600),
    ]);
    expect(await readFile(path, 'utf8')).toBe('now a file');
    await thread.remove(join(dir, 'absent'));
  });

  it('tells what went wrong, with the code of the system, and goes on', async () => {
    const thread = new FileThread();
    await writeFile(join(dir, 'there'), 'before');
    const attempt = thread.write([{ path: join(dir, 'there'), text: 'after' }], 0o600);
    await expect(attempt).rejects.toMatchObject({ code: 'EEXIST' });
    expect(await readFile(join(dir, 'there'), 'utf8')).toBe('before');
    await thread.write([{ path: join(dir, 'next'), text: '' }], 0o600);
    expect((await readdir(dir)).sort()).toEqual(['next', 'there']);
  });

  it('loses nothing that is asked of it while it ends for want of work', async () => {
    const thread = new FileThread(0);
    for (let round = 0; round < 20; round++) {
      await thread.write([{ path: join(dir, `${round}`), text: '' }], 0o600);
      // Before, while and after the thread ends.
      if (round % 3 > 0) await sleep(round % 3 === 1 ? 1 : 20);
    }
    expect(await readdir(dir)).toHaveLength(20);
  });
});
