import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { isOwnPeer } from './loopback-peer.js';

const directory = mkdtempSync(join(tmpdir(), 'waybill-peer-'));
afterAll(() => rmSync(directory, { recursive: true }));

const head = '  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode';
const row = (local: string, remote: string, uid: number) =>
  `   4: ${local} ${remote} 01 00000000:00000000 00:00000000 00000000 ${String(uid).padStart(5)}        0 9001 1 0 20 4 30 10 -1`;
let count = 0;
const table = (...rows: string[]) => {
  count += 1;
  const file = join(directory, String(count));
  writeFileSync(file, [head, ...rows, ''].join('\n'));
  return file;
};

/** A client at port 0x9C40 (40000), the relay at 0x0C38 (3128). */
const connection = { remotePort: 40_000, localPort: 3128 };
const ask = (uid: number, ...rows: string[]) =>
  isOwnPeer(connection, { uid, tables: [table(...rows)], platform: 'linux' });
const from = (uid: number) => row('0100007F:9C40', '0100007F:0C38', uid);

describe('isOwnPeer', () => {
  it.each([
    ['the same user', 1000, 1000, true],
    ['root', 1000, 0, true],
    ['another user', 1000, 1001, false],
    ['a system account', 1000, 100, false],
    ['nobody', 1000, 65_534, false],
    ['root, of root', 0, 0, true],
    ['a system account, of root: apt downloads as one', 0, 100, true],
    ['a person, of root', 0, 1000, false],
    ['nobody, of root', 0, 65_534, false],
  ])('%s', (_name, uid, peer, wanted) => expect(ask(uid, from(peer))).toBe(wanted));

  it('looks at the end of the client, not at the relay’s own', () => {
    expect(ask(1000, row('0100007F:0C38', '0100007F:9C40', 1000), from(1001))).toBe(false);
  });

  it('is not misled by sockets of other addresses with the same ports', () => {
    expect(ask(1000, row('0200A8C0:9C40', '0100007F:0C38', 1000), from(1001))).toBe(false);
    expect(ask(1000, row('0100007F:9C40', '0100007F:0C39', 1000), from(1001))).toBe(false);
  });

  it('finds clients that came by way of IPv6, in either byte order', () => {
    const tables = (address: string) => [table(), table(row(`${address}:9C40`, `${address}:0C38`, 1000))];
    for (const address of ['0000000000000000FFFF00000100007F', '00000000000000000000FFFF7F000001']) {
      expect(isOwnPeer(connection, { uid: 1000, tables: tables(address), platform: 'linux' })).toBe(true);
      expect(isOwnPeer(connection, { uid: 1001, tables: tables(address), platform: 'linux' })).toBe(false);
    }
  });

  it('lets nobody in whom it cannot find', () => {
    expect(ask(1000)).toBe(false);
    expect(isOwnPeer(connection, { uid: 1000, tables: [join(directory, 'none')], platform: 'linux' })).toBe(false);
    expect(isOwnPeer({ remotePort: undefined, localPort: undefined }, { uid: 1000, tables: [table(from(1000))] })).toBe(
      false,
    );
  });

  it('knows no users where there is no table', () => {
    expect(isOwnPeer(connection, { platform: 'darwin' })).toBe(true);
  });
});
