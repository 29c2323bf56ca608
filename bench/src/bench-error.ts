import { WaybillError } from '@waybill/contracts';

/** Codes of {@link BenchError}. */
export type BenchErrorCode =
  | 'BENCH_USAGE'
  | 'BENCH_PROGRAM_MISSING'
  | 'BENCH_PROGRAM_FAILED'
  | 'BENCH_ENGINE_FAILED'
  | 'BENCH_ANSWER_WRONG'
  | 'BENCH_RECORD_INCOMPLETE';

/** A benchmark that cannot be run, or whose number would not mean what it says. */
export class BenchError extends WaybillError<BenchErrorCode> {}
