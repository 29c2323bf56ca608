import { describe, expect, it } from 'vitest';
import { type EngineEntry, summarise, type Turn } from './bench-result.ts';

const rate = { id: 'kept.rate', title: 'kept', unit: '1/s', better: 'higher', compared: true } as const;
const cpu = { id: 'kept.cpu', title: 'cpu', unit: 'ms', better: 'lower', compared: false } as const;
const engines: EngineEntry[] = [
  { id: 'direct', does: '', version: '-' },
  { id: 'squid', does: '', version: '1' },
  { id: 'mitmdump', does: '', missing: 'not installed' },
];

function turn(round: number, engine: Turn['engine'], values: Turn['values'], failures = {}): Turn {
  return { round, engine, values, memory: {}, failures };
}

describe('summarise', () => {
  it('gives medians of every metric and ratios of compared ones, in both directions', () => {
    const turns = [
      turn(1, 'direct', { 'kept.rate': 100 }),
      turn(1, 'squid', { 'kept.rate': 50, 'kept.cpu': 2 }),
      turn(2, 'squid', { 'kept.rate': 100, 'kept.cpu': 4 }),
      turn(2, 'direct', { 'kept.rate': 100 }),
    ];
    const { summary, ratios } = summarise(engines, [rate, cpu], turns);
    expect(summary.squid?.['kept.rate']).toEqual({ median: 75, min: 50, max: 100, rounds: 2 });
    expect(summary.squid?.['kept.cpu']?.median).toBe(3);
    expect(summary.direct).not.toHaveProperty('kept.cpu');
    expect(ratios['squid/direct']?.['kept.rate']).toEqual({ median: 0.75, min: 0.5, max: 1, rounds: 2 });
    expect(ratios['direct/squid']?.['kept.rate']?.median).toBe(1.5);
    expect(ratios['squid/direct']).not.toHaveProperty('kept.cpu');
  });

  it('never counts an engine that is not there', () => {
    const { summary, ratios } = summarise(engines, [rate], [turn(1, 'direct', { 'kept.rate': 1 })]);
    expect(summary).not.toHaveProperty('mitmdump');
    expect(Object.keys(ratios).filter((pair) => pair.includes('mitmdump'))).toEqual([]);
  });

  it('never counts a turn that failed', () => {
    const turns = [
      turn(1, 'direct', { 'kept.rate': 1 }),
      turn(1, 'squid', {}, { '*': 'gone' }),
      turn(2, 'direct', { 'kept.rate': 1 }),
      turn(2, 'squid', { 'kept.rate': 3 }),
    ];
    const { summary, ratios } = summarise(engines, [rate], turns);
    expect(summary.squid?.['kept.rate']).toEqual({ median: 3, min: 3, max: 3, rounds: 1 });
    expect(ratios['squid/direct']?.['kept.rate']?.rounds).toBe(1);
  });
});
