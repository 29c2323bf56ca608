import { Counter, type Registry } from 'prom-client';

/** Counts what garbage collection does. */
export interface GcMetrics {
  ran(removed: { readonly sessions: number; readonly bodies: number; readonly bytes: number }, isFull: boolean): void;
  failed(): void;
}

export function createGcMetrics(registry: Registry): GcMetrics {
  const registers = [registry];
  const passes = new Counter({
    name: 'waybill_gc_passes_total',
    help: 'Runs of garbage collection; full: all that may go is gone and the quota is still passed',
    labelNames: ['result'],
    registers,
  });
  const removed = new Counter({
    name: 'waybill_gc_removed_total',
    help: 'Sessions and bodies removed',
    labelNames: ['what'],
    registers,
  });
  const bytes = new Counter({ name: 'waybill_gc_removed_bytes_total', help: 'Bytes of removed bodies', registers });
  return {
    ran(counted, isFull) {
      passes.inc({ result: isFull ? 'full' : 'done' });
      removed.inc({ what: 'sessions' }, counted.sessions);
      removed.inc({ what: 'bodies' }, counted.bodies);
      bytes.inc(counted.bytes);
    },
    failed: () => passes.inc({ result: 'failed' }),
  };
}
