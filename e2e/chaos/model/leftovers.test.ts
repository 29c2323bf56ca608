import { describe, expect, it } from 'vitest';
import { checkLeftovers, checkResting } from './leftovers.js';

const digest = 'a'.repeat(64);
const tag = '0123456789abcdef';
const state = [
  '.waybill/answers',
  '.waybill/blobs/format',
  '.waybill/blobs/lock',
  `.waybill/blobs/files/aa/${digest}`,
  `.waybill/blobs/packs/00000001.${tag}.idx`,
  `.waybill/blobs/packs/00000001.${tag}.seg`,
  '.waybill/blobs/slots/1/lock',
  `.waybill/blobs/slots/1/files/aa/${digest}`,
  `.waybill/blobs/slots/1/packs/00000001.${tag}.seg`,
  '.waybill/ca/root-ca.key.pem',
  '.waybill/ca/root-ca.pem',
  `.waybill/derived/${digest}`,
  '.waybill/sessions.db',
  '.waybill/sessions.db-shm',
  '.waybill/sessions.db-wal',
  `${'b'.repeat(32)}/assets/${digest}.data`,
  `${'b'.repeat(32)}/session.json`,
];

const half = [
  '.waybill/probe',
  '.waybill/blobs/tmp/5f2a',
  '.waybill/blobs/lock.claim-1',
  `.waybill/blobs/packs/00000001.${tag}.idx.tmp`,
  `.waybill/blobs/files/ab/${digest}`,
  '.waybill/blobs/slots/1/tmp/5f2a',
  `.waybill/blobs/packs/00000002.${tag}.idx`,
  '.waybill/ca/root-ca.key.pem.12-0123456789ab.tmp',
  '.waybill/scratch/inspection-12-x/file',
  `${'b'.repeat(32)}/assets/${digest}.data.5f2a`,
];

describe('what lies in a spool', () => {
  it('is state of the daemon and its sessions', () => {
    expect(checkResting('spool', state)).toEqual([]);
    expect(checkLeftovers('spool', state, state)).toEqual([]);
    expect(checkResting('run', ['fetch-service.json', 'fetchctl.socket'])).toEqual([]);
  });

  it.each(half)('%s is on its way: gone with the next start', (path) => {
    expect(checkLeftovers('spool', [...state, path], state)).toEqual([]);
    expect(checkLeftovers('spool', [...state, path], [...state, path])).toMatchObject([{ rule: 'leftover' }]);
    expect(checkResting('spool', [...state, path])).toMatchObject([{ rule: 'leftover' }]);
  });

  it.each([
    ['run', 'fetch-service.json.12-0123456789ab.new'],
    ['run', '.fs12/s'],
    ['tmp', 'anything'],
  ] as const)('%s: %s belongs to nothing', (place, path) => {
    expect(checkResting(place, [path])).toMatchObject([{ rule: 'leftover' }]);
  });

  it('a session that was not ended to its end has parts, until it is', () => {
    const part = `${'b'.repeat(32)}/.assets.12-ab34/${digest}.data`;
    expect(checkLeftovers('spool', [...state, part], [...state, part])).toEqual([]);
    expect(checkResting('spool', [...state, part])).toMatchObject([{ rule: 'leftover' }]);
  });

  it('derived files that are late do not pile up', () => {
    const late = (count: number) => Array.from({ length: count }, (_, at) => `.waybill/derived/${digest}.${at}-x.part`);
    expect(checkResting('spool', late(2))).toEqual([]);
    expect(checkResting('spool', late(9))).toMatchObject([{ rule: 'leftover' }]);
  });
});
