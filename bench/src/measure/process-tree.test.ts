import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { describe, expect, it } from 'vitest';
import { cpuMsOf, openFilesOf, parseMemory, parseStat, peakRssOf, readMemory, resetPeakRss } from './process-tree.ts';

describe('parseStat', () => {
  const rest = 'S 7 1 1 0 -1 4194304 100 0 0 0 11 22 33 44 20 0 1 0 100 1000 10';

  it.each([
    ['a plain name', 'node'],
    ['spaces and parentheses in the name', 'a) S 9 (b'],
  ])('with %s', (_name, program) => {
    expect(parseStat(`42 (${program}) ${rest}`)).toEqual({ pid: 42, parent: 7, cpuMs: 1100 });
  });
});

describe('parseMemory', () => {
  it.each([
    ['Name:\tx\nVmPeak:\t  9 kB\nVmHWM:\t  12 kB\nVmRSS:\t  3 kB\n', 12 * 1024, 3 * 1024],
    ['Name:\tkthread\n', 0, 0],
  ])('%j', (status, peak, now) => {
    expect(parseMemory(status, 'VmHWM')).toBe(peak);
    expect(parseMemory(status, 'VmRSS')).toBe(now);
  });
});

describe('a process and its children', () => {
  it('are counted together, from the reset on', async () => {
    // The shell starts node as a child; node holds 64 MiB only while it is told to.
    const script = `let b = Buffer.alloc(64 << 20, 1); process.stdout.write('full\\n');
      process.stdin.once('data', () => { b = undefined; gc(); process.stdout.write('empty\\n'); }); process.stdin.resume();`;
    const child = spawn('sh', ['-c', '"$0" --expose-gc -e "$1"; true', process.execPath, script]);
    try {
      await once(child.stdout, 'data');
      const pid = child.pid as number;
      const full = await peakRssOf(pid);
      expect(full).toBeGreaterThan(64 << 20);
      const { largest, peak } = await readMemory(pid);
      expect(largest).toBeGreaterThan(64 << 20);
      expect(peak).toBeGreaterThanOrEqual(largest);
      // The shell is the other process.
      expect(peak).toBeLessThan(full);
      expect(await cpuMsOf(pid)).toBeGreaterThan(0);
      // Standard streams of both at least.
      expect(await openFilesOf(pid)).toBeGreaterThanOrEqual(6);
      child.stdin.write('x');
      await once(child.stdout, 'data');
      await resetPeakRss(pid);
      expect(await peakRssOf(pid)).toBeLessThan(full - (32 << 20));
    } finally {
      child.stdin.end();
      child.kill();
    }
  });

  it('that are gone count nothing', async () => {
    expect(await peakRssOf(2 ** 22 + 1)).toBe(0);
    expect(await cpuMsOf(2 ** 22 + 1)).toBe(0);
    expect(await openFilesOf(2 ** 22 + 1)).toBe(0);
  });
});
