import { describe, expect, it } from 'vitest';
import { works } from '../works/list.ts';
import { sampleResult } from './sample-result.ts';
import { checkTargets, targets } from './targets.ts';

describe('targets', () => {
  it('name metrics that are measured, and compare only what has ratios', () => {
    const metrics = works.flatMap((work) => work.metrics);
    for (const { metric, against } of targets) {
      const found = metrics.find(({ id }) => id === metric);
      expect(found, metric).toBeDefined();
      if (against !== undefined) expect(found?.compared, metric).toBe(true);
    }
  });
});

describe('checkTargets', () => {
  const found = checkTargets(sampleResult).map(({ metric, against, found: { median }, isMet }) => ({
    [`${metric} ${against ?? ''}`.trim()]: [median, isMet],
  }));

  it('judges the medians of what was measured, and only that', () => {
    expect(Object.assign({}, ...found)).toEqual({
      'body.rate squid': [expect.closeTo(0.968, 3), false],
      'kept.rate squid': [1.1, true],
      'latency.addedP50': [0.45, true],
      'memory-body.peak': [150, true],
    });
  });
});
