import { isWaybillError, redactText } from '@waybill/contracts';
import { messageOf, systemCode } from '../errors.js';

/** Exit codes of `artifact-cache`. DESIGN.md §8 */
export const exitCodes = { done: 0, failed: 1, usage: 64, bug: 70 } as const;

/** An error as programs read it. */
export function errorDocument(error: unknown) {
  const known = isWaybillError(error);
  const code = known ? error.code : systemCode(error) ? `SERVER_SYSTEM_${systemCode(error)}` : 'SERVER_INTERNAL';
  const hint = known ? error.hint : undefined;
  return { code, message: redactText(messageOf(error)), ...(hint ? { hint: redactText(hint) } : {}) };
}

/** An error on a terminal. */
export function errorLines(error: unknown): string[] {
  const { code, message, hint } = errorDocument(error);
  const stack = code === 'SERVER_INTERNAL' && error instanceof Error ? [redactText(error.stack ?? '')] : [];
  const next = code === 'SERVER_INTERNAL' ? 'this is a bug of artifact-cache: please report it with these lines' : hint;
  return [`artifact-cache: ${message} [${code}]`, ...stack, ...(next ? [`  → ${next}`] : [])];
}

/** What is neither ours nor the operating system's is a bug of ours. */
export function exitCodeOf(error: unknown): number {
  if (isWaybillError(error)) return error.code === 'SERVER_USAGE' ? exitCodes.usage : exitCodes.failed;
  return systemCode(error) ? exitCodes.failed : exitCodes.bug;
}
