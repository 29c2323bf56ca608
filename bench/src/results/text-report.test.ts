import { describe, expect, it } from 'vitest';
import { quickPlan } from '../plan.ts';
import { type BenchResult, type EngineEntry, summarise, type Turn } from './bench-result.ts';
import { short, textReport } from './text-report.ts';

const metrics = [
  { id: 'kept.rate', title: 'kept', unit: '1/s', better: 'higher', compared: true },
  { id: 'kept.p50', title: 'median latency', unit: 'ms', better: 'lower', compared: false },
] as const;
const engines: EngineEntry[] = [
  { id: 'waybill-strict', does: 'all of it', version: '0.1.0' },
  { id: 'squid', does: 'less', version: '5.7' },
  { id: 'mitmdump', does: 'less', missing: 'mitmdump is not installed' },
];
const turns: Turn[] = [
  { round: 1, engine: 'waybill-strict', values: { 'kept.rate': 12_000, 'kept.p50': 2.345 }, failures: {} },
  { round: 1, engine: 'squid', values: { 'kept.rate': 10_000 }, failures: { body: 'connection closed' } },
];
const result: BenchResult = {
  format: 1,
  date: '2030-01-02T03:04:05.000Z',
  kind: 'quick',
  machine: {
    cpu: 'Some Processor',
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
  turns,
  ...summarise(engines, metrics, turns),
};

describe('textReport', () => {
  const text = textReport(result);

  it.each([
    ['numbers with their spread', /waybill-strict +12 000 \(12 000–12 000\)/],
    ['ratios of ours to the others', /waybill-strict ÷ squid +1\.20× \(1\.20–1\.20\)/],
    ['a gap where an engine has no number', /squid +–$/m],
    ['what was skipped and why', /^SKIPPED mitmdump: mitmdump is not installed$/m],
    ['what does not count and why', /^NOT COUNTED round 1, squid, body: connection closed$/m],
    ['the machine', /Some Processor, 2 cores, 8 GiB, Some Linux, Linux 6\.1\.0, Node 24\.0\.0, spool on ext4/],
  ])('has %s', (_name, pattern) => {
    expect(text).toMatch(pattern);
  });

  it('shows no ratio of others among themselves', () => {
    expect(text).not.toContain('squid ÷ waybill');
  });
});

describe('short', () => {
  it.each([
    [0, '0.00'],
    [0.123, '0.12'],
    [12.34, '12.3'],
    [123.4, '123'],
    [1234.5, '1 235'],
    [1_234_567, '1 234 567'],
  ])('%s is %s', (value, text) => {
    expect(short(value)).toBe(text);
  });
});
