import { describe, expect, it } from 'vitest';
import { parseOptions } from './options.ts';
import { fullPlan, quickPlan } from './plan.ts';

describe('parseOptions', () => {
  it.each<[string[], object]>([
    [[], { kind: 'full', plan: fullPlan, save: true, keep: false, workDir: '/var/tmp' }],
    [['--quick'], { kind: 'quick', plan: quickPlan }],
    [['--', '--quick'], { kind: 'quick' }],
    [['--quick', '--rounds', '1'], { kind: 'custom', plan: { ...quickPlan, rounds: 1 } }],
    [['--engines', 'squid,direct'], { kind: 'custom', engineIds: ['squid', 'direct'] }],
    [['--works=body'], { kind: 'custom', workIds: ['body'] }],
    [['--no-save', '--keep', '--work-dir', '/x'], { save: false, keep: true, workDir: '/x' }],
    [['--profile', '/p'], { profileDir: '/p', save: false }],
    [['-h'], { help: true }],
  ])('%j', (args, expected) => {
    expect(parseOptions(args)).toMatchObject(expected);
  });

  it.each([
    [['--nonsense'], 'nonsense'],
    [['quick'], 'quick'],
    [['--rounds', '0'], "--rounds is '0'"],
    [['--rounds', '1e3'], "--rounds is '1e3'"],
    [['--rounds', '1000'], "--rounds is '1000'"],
    [['--driver-cores', '-1'], 'driver-cores'],
    [['--engines', 'direct,skuid'], "--engines names 'skuid', wanted some of: direct, waybill-strict"],
    [['--works', ''], "--works names ''"],
  ])('refuses %j', (args, text) => {
    const error = expect.objectContaining({ code: 'BENCH_USAGE', message: expect.stringContaining(text) });
    expect(() => parseOptions(args)).toThrow(error);
  });
});
