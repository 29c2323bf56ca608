import { isWaybillError } from '@waybill/contracts';

/** Exit codes of `craft`. */
export const exitCodes = { done: 0, failed: 1, refused: 2, usage: 64, bug: 70, interrupted: 130 } as const;

const byCode: Readonly<Record<string, number>> = {
  CRAFT_USAGE: exitCodes.usage,
  CRAFT_REFUSED: exitCodes.refused,
  CRAFT_INTERRUPTED: exitCodes.interrupted,
  CRAFT_INTERNAL: exitCodes.bug,
  CRAFT_REPORT_INVALID: exitCodes.failed,
};

/** Exit code for what ended a run. What is neither ours nor the operating system's is a bug of ours. */
export function exitCodeOf(error: unknown): number {
  if (isWaybillError(error)) return byCode[error.code] ?? exitCodes.failed;
  return isSystemError(error) ? exitCodes.failed : exitCodes.bug;
}

/** Whether the operating system refused something: a full disk, missing rights. */
export function isSystemError(error: unknown): error is NodeJS.ErrnoException {
  return error instanceof Error && typeof (error as NodeJS.ErrnoException).syscall === 'string';
}
