import { configureGlobal } from 'fast-check';

/**
 * Properties take the same values in every run, so that a change is judged by what it changed; `WAYBILL_FUZZ_SEED` chooses
 * others, and with `random` each run takes its own.
 */
const seed = process.env.WAYBILL_FUZZ_SEED ?? '20261120';
if (seed !== 'random') {
  if (!/^-?\d+$/.test(seed)) throw new Error(`WAYBILL_FUZZ_SEED is '${seed}', wanted a whole number or 'random'`);
  configureGlobal({ seed: Number(seed) });
}
