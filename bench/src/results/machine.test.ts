import { tmpdir } from 'node:os';
import { describe, expect, it } from 'vitest';
import { describeMachine, shortMachineName } from './machine.ts';

describe('shortMachineName', () => {
  it.each([
    ['Intel Xeon Processor', 2, 'intel-xeon-2c'],
    ['Intel Core i7-1185G7 CPU @ 3.00GHz', 8, 'intel-core-i7-1185g7-8c'],
    ['AMD EPYC 7763 64-Core Processor', 4, 'amd-epyc-7763-4c'],
    ['../../etc', 1, 'etc-1c'],
    ['', 1, 'unknown-1c'],
  ])('%s', (cpu, cores, name) => {
    expect(shortMachineName({ cpu, cores })).toBe(name);
  });
});

describe('describeMachine', () => {
  it('says what explains the numbers and nothing that names the machine', async () => {
    const machine = await describeMachine(tmpdir());
    expect(machine.cores).toBeGreaterThan(0);
    expect(machine.memoryGiB).toBeGreaterThan(0);
    expect(machine.kernel).toMatch(/^\d+(\.\d+)+$/);
    expect(Object.keys(machine)).not.toContain('host');
    expect(JSON.stringify(machine)).not.toContain(tmpdir());
  });
});
