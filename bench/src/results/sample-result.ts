import { quickPlan } from '../plan.ts';
import { works } from '../works/list.ts';
import { type BenchResult, type EngineEntry, summarise, type Turn } from './bench-result.ts';

const metrics = works.flatMap((work) => work.metrics);

const engines: EngineEntry[] = [
  { id: 'direct', does: 'no proxy', version: '-' },
  { id: 'waybill-strict', does: 'all of it', version: '0.1.0' },
  { id: 'squid', does: 'less', version: '5.7' },
  { id: 'mitmdump', does: 'less', missing: 'mitmdump is not installed' },
];

const turn = (round: number, engine: string, values: Turn['values'], more: Partial<Turn> = {}): Turn => ({
  round,
  engine,
  values,
  memory: {},
  failures: {},
  ...more,
});

const turns: Turn[] = [
  turn(1, 'direct', { 'body.rate': 900, 'kept.rate': 60_000 }),
  turn(1, 'waybill-strict', { 'body.rate': 300, 'kept.rate': 12_000, 'kept.cpu': 0.1, 'latency.addedP50': 0.4 }),
  turn(1, 'squid', { 'body.rate': 310, 'kept.rate': 10_000, 'kept.cpu': 0.08 }),
  turn(2, 'direct', { 'body.rate': 1_000, 'kept.rate': 50_000 }),
  turn(2, 'waybill-strict', { 'body.rate': 280, 'kept.rate': 11_000, 'kept.cpu': 0.12, 'latency.addedP50': 0.5 }),
  turn(2, 'squid', { 'kept.rate': 11_000, 'kept.cpu': 0.07 }, { failures: { body: 'connection closed' } }),
  turn(
    3,
    'waybill-strict',
    { 'memory-body.peak': 150, 'memory-body.level': 140 },
    {
      memory: {
        'memory-body': [
          { atMs: 0, mib: 100 },
          { atMs: 2_500, mib: 150 },
          { atMs: 5_000, mib: 140 },
        ],
      },
    },
  ),
];

/** A made-up result for tests of what is shown of one. */
export const sampleResult: BenchResult = {
  format: 2,
  date: '2030-01-02T03:04:05.000Z',
  kind: 'quick',
  machine: {
    cpu: 'Some <Processor> & more',
    cores: 2,
    memoryGiB: 8,
    kernel: '6.1.0',
    system: 'Some Linux',
    fileSystem: 'ext4',
    node: '24.0.0',
    openssl: '3.5.0',
    loadBefore: 0.1,
  },
  software: {},
  plan: quickPlan,
  metrics,
  engines,
  skipped: [{ id: 'newhost', why: 'it takes root' }],
  turns,
  ...summarise(engines, metrics, turns),
};
