import { isWaybillError, redactText } from '@waybill/contracts';
import { messageOf } from '../errors.js';
import type { CommandOutput } from './config-commands.js';

/** Says on standard error what failed and what to do. Returns the exit code. specs/fetch-service.md §6.4 */
export function reportFailure(cause: unknown, { err }: Pick<CommandOutput, 'err'>): number {
  err(`${failureText(cause)}\n`);
  return 1;
}

/** `error: …`, the hint on a line of its own. */
export function failureText(cause: unknown): string {
  const message = redactText(messageOf(cause));
  const hint = isWaybillError(cause) && cause.hint ? `\n${redactText(cause.hint)}` : '';
  return `error: ${message}${hint}`;
}
