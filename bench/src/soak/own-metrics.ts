/** What the service tells of itself; the highest when several processes tell theirs, undefined what it does not tell. */
export interface OwnMetrics {
  /** 99th percentile of the event loop's delay since it was asked before, ms. */
  readonly delayMs: number | undefined;
  readonly heapMib: number | undefined;
  /** Buffers and the like, outside the heap. */
  readonly externalMib: number | undefined;
}

const mib = 1024 * 1024;

/** Reads prom-client's default metrics out of the text format of Prometheus. */
export function parseOwnMetrics(text: string): OwnMetrics {
  const highest = (name: string, unit: number): number | undefined => {
    const found = [...text.matchAll(new RegExp(`^${name}(?:\\{[^}]*\\})? ([\\d.e+-]+)$`, 'gm'))];
    const values = found.map(([, value]) => Number(value) / unit).filter(Number.isFinite);
    return values.length > 0 ? Math.max(...values) : undefined;
  };
  return {
    delayMs: highest('nodejs_eventloop_lag_p99_seconds', 1e-3),
    heapMib: highest('nodejs_heap_size_used_bytes', mib),
    externalMib: highest('nodejs_external_memory_bytes', mib),
  };
}
