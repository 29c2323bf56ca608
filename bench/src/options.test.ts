import { describe, expect, it } from 'vitest';
import { engines, scalingEngines } from './engines/list.ts';
import { parseOptions } from './options.ts';
import { fullPlan, quickPlan } from './plan.ts';
import { scalingWorks, works } from './works/list.ts';

describe('parseOptions', () => {
  it.each<[string[], object]>([
    [[], { kind: 'full', plan: fullPlan, save: true, keep: false, workDir: '/var/tmp' }],
    [['--quick'], { kind: 'quick', plan: quickPlan }],
    [['--', '--quick'], { kind: 'quick' }],
    [['--quick', '--rounds', '1'], { kind: 'custom', plan: { ...quickPlan, rounds: 1 } }],
    [['--quick', '--processes', '2'], { kind: 'custom', processes: 2 }],
    [['--scaling'], { kind: 'scaling', engines: scalingEngines, works: scalingWorks }],
    [['--scaling', '--only', 'waybill-2'], { kind: 'custom', engines: [scalingEngines[1]], works: scalingWorks }],
    [['--micro'], { micro: true }],
    [['--soak', '10'], { soak: 10 }],
    [['--render', 'x.json'], { render: 'x.json' }],
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
    [['--soak', '0.5'], "--soak is '0.5'"],
    [['--driver-cores', '-1'], 'driver-cores'],
    [['--only', 'direct,skuid'], "--only names 'skuid', wanted some of: direct, waybill-strict"],
    [['--only', ''], "--only names ''"],
    [['--only', 'waybill-2'], "--only names 'waybill-2'"],
  ])('refuses %j', (args, text) => {
    const error = expect.objectContaining({ code: 'BENCH_USAGE', message: expect.stringContaining(text) });
    expect(() => parseOptions(args)).toThrow(error);
  });

  it.each([
    ['nothing', [], [engines, works]],
    ['works', ['--only=body,kept'], [engines, ['body', 'kept']]],
    ['engines', ['--only', 'squid,direct'], [['direct', 'squid'], works]],
    ['both', ['--only', 'squid,kept'], [['squid'], ['kept']]],
  ] as const)('--only with %s', (_name, args, wanted) => {
    const found = parseOptions(args);
    const ids = (all: readonly (string | { id: string })[]) =>
      all.map((one) => (typeof one === 'string' ? one : one.id));
    expect([ids(found.engines), ids(found.works)]).toEqual(wanted.map(ids));
    expect(found.kind).toBe(args.length > 0 ? 'custom' : 'full');
  });
});
