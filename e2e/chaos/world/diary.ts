import { appendFileSync } from 'node:fs';

const started = Date.now();

/** A line for who follows a run: to the file `WAYBILL_CHAOS_LOG`, which may be /dev/stderr. */
export function tell(text: string): void {
  const path = process.env.WAYBILL_CHAOS_LOG;
  if (path) appendFileSync(path, `${((Date.now() - started) / 1000).toFixed(1)} ${text}\n`);
}
