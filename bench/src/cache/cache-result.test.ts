import { describe, expect, it } from 'vitest';
import { quickCachePlan } from './cache-plan.ts';
import { type CacheResult, cacheRow, cacheText } from './cache-result.ts';

const turn = (round: number, server: string, value: number) => ({
  round,
  server,
  values: { 'get 1 KiB ×1': value },
  failures: {},
});
const result: CacheResult = {
  format: 1,
  date: '2026-11-20T00:00:00.000Z',
  machine: {
    cpu: 'a processor',
    cores: 2,
    memoryGiB: 4,
    kernel: '6.1',
    system: 'a system',
    fileSystem: 'ext4',
    node: '24',
    openssl: '3',
    loadBefore: 0.1,
  },
  plan: quickCachePlan,
  servers: [
    { id: 'nginx', does: 'files', version: '1' },
    { id: 'ours', does: 'more', version: '1' },
    { id: 'away', does: 'nothing', missing: 'not installed' },
  ],
  turns: [
    turn(1, 'nginx', 1000),
    turn(1, 'ours', 500),
    turn(2, 'ours', 90),
    turn(2, 'nginx', 100),
    { round: 2, server: 'ours', values: {}, failures: { 'put 1 KiB ×1': 'it broke' } },
  ],
};

describe('results of the cache benchmark', () => {
  it('compares within a round: a slow one is slow for both', () => {
    const { own, ratio } = cacheRow(result, 'ours', 'get 1 KiB ×1', 'nginx');
    expect(own).toMatchObject({ median: 295, min: 90, max: 500 });
    expect(ratio).toMatchObject({ min: 0.5, max: 0.9 });
    expect(cacheRow(result, 'nginx', 'get 1 KiB ×1', 'nginx').ratio).toBeUndefined();
  });

  it('shows what was left out and what does not count', () => {
    const text = cacheText(result);
    expect(text).toMatch(/^get 1 KiB ×1 +550 +295 \(0\.70\)$/m);
    expect(text).toContain('left out: away: not installed');
    expect(text).toContain('NOT COUNTED: ours, round 2, put 1 KiB ×1: it broke');
  });
});
