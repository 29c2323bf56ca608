import { describe, expect, it } from 'vitest';
import { parseOwnMetrics } from './own-metrics.ts';

describe('parseOwnMetrics', () => {
  it.each([
    ['one process', '# HELP x\nnodejs_eventloop_lag_p99_seconds 0.0125\nother 1\n', 12.5],
    [
      'several',
      'nodejs_eventloop_lag_p99_seconds{worker="1"} 0.01\nnodejs_eventloop_lag_p99_seconds{worker="2"} 5e-2',
      50,
    ],
    ['another percentile', 'nodejs_eventloop_lag_p90_seconds 0.01\n', undefined],
    ['nothing seen yet', 'nodejs_eventloop_lag_p99_seconds Nan\n', undefined],
    ['nothing', '', undefined],
  ])('%s', (_name, text, delayMs) => {
    expect(parseOwnMetrics(text).delayMs).toBe(delayMs);
  });

  it('tells heap and buffers in MiB', () => {
    const text = 'nodejs_heap_size_used_bytes 104857600\nnodejs_external_memory_bytes 1048576\n';
    expect(parseOwnMetrics(text)).toEqual({ delayMs: undefined, heapMib: 100, externalMib: 1 });
  });
});
