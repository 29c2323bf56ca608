import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { thinned, watchMemory } from './memory.ts';

describe('thinned', () => {
  const points = Array.from({ length: 500 }, (_, index) => ({ atMs: index, mib: index === 250 ? 999 : 1 }));

  it('keeps few points, the highest and the last among them', () => {
    const kept = thinned(points, 50);
    expect(kept.length).toBeLessThanOrEqual(51);
    expect(kept.map(({ mib }) => mib)).toContain(999);
    expect(kept.at(-1)).toEqual({ atMs: 499, mib: 1 });
    expect(kept).toEqual([...kept].sort((a, b) => a.atMs - b.atMs));
  });

  it.each([0, 1, 2, 50])('keeps %i points as they are', (count) => {
    expect(thinned(points.slice(0, count), 50)).toEqual(points.slice(0, count));
  });
});

describe('watchMemory', () => {
  it('tells the peak of the time, and the level after it', async () => {
    // Takes 64 MiB when it is told to, and gives them back when it is told again.
    const script = `let b; process.stdin.on('data', () => { if (b) { b = undefined; gc(); } else b = Buffer.alloc(64 << 20, 1);
      process.stdout.write('done'); });`;
    const child = spawn(process.execPath, ['--expose-gc', '-e', script]);
    const tell = async () => {
      child.stdin.write('x');
      await once(child.stdout, 'data');
    };
    try {
      const { result, memory } = await watchMemory(child.pid as number, 300, async () => {
        await tell();
        await sleep(600);
        await tell();
        return 7;
      });
      expect(result).toBe(7);
      expect(memory.peak).toBeGreaterThan(64);
      expect(memory.level).toBeLessThan(memory.peak - 32);
      expect(memory.points.length).toBeGreaterThan(1);
    } finally {
      child.stdin.end();
      child.kill();
    }
  });
});
