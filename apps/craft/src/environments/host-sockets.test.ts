import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { hostSockets } from './host-sockets.js';

let root: string;
let server: Server;
beforeEach(async () => {
  root = mkdtempSync(join(tmpdir(), 'waybill-sockets-'));
  mkdirSync(join(root, 'real'));
  symlinkSync('real', join(root, 'link'));
  server = createServer();
  await new Promise<void>((resolve) => server.listen(join(root, 'real/a socket'), resolve));
});
afterEach(() => {
  server.close();
  rmSync(root, { recursive: true, force: true });
});

const table = (...paths: string[]) => {
  const file = join(root, 'table');
  const lines = paths.map((path) => `0000000000000000: 00000002 00000000 00010000 0001 01 12345 ${path}`);
  writeFileSync(file, ['Num       RefCount Protocol Flags    Type St Inode Path', ...lines, ''].join('\n'));
  return file;
};

describe('hostSockets', () => {
  it('gives sockets of the file system once, by their real path', () => {
    const listed = table(
      join(root, 'link/a socket'),
      join(root, 'real/a socket'),
      join(root, 'gone'),
      join(root, 'table'),
      '@abstract',
    );
    expect(hostSockets(listed)).toEqual([join(root, 'real/a socket')]);
  });

  it('finds one that was renamed into its place after it was bound', () => {
    expect(hostSockets(table(join(root, 'real/.new/s')))).toEqual([join(root, 'real/a socket')]);
    expect(hostSockets(table('/nonexistent-directory/s'))).toEqual([]);
  });

  it.runIf(process.platform === 'linux')('finds one in the table of this machine', () => {
    expect(hostSockets()).toContain(join(root, 'real/a socket'));
  });

  it('is empty where there is no table', () => {
    expect(hostSockets(join(root, 'none'))).toEqual([]);
  });
});
