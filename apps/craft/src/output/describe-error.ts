import { isWaybillError, redactText } from '@waybill/contracts';
import { isSystemError } from '../cli/exit-code.js';
import { CraftError } from '../errors.js';

/** An error as it is shown. */
export interface ErrorDescription {
  readonly code: string;
  readonly message: string;
  readonly details: readonly string[];
  readonly hint: string | undefined;
}

const systemHints: Readonly<Record<string, string>> = {
  ENOSPC: 'make room on that disk; nothing half-written was left as a result',
  EDQUOT: 'make room within your quota; nothing half-written was left as a result',
  EACCES: 'check who may read and write there',
  EPERM: 'check who may read and write there',
  EROFS: 'that file system is read-only; name another place',
  EMFILE: 'raise the limit of open files (ulimit -n)',
};

/** What to tell about anything that was thrown. */
export function describeError(error: unknown): ErrorDescription {
  if (isWaybillError(error)) {
    const details = error instanceof CraftError ? error.details : [];
    return {
      code: error.code,
      message: redactText(error.message),
      details: details.map(redactText),
      hint: error.hint && redactText(error.hint),
    };
  }
  if (isSystemError(error)) {
    const code = error.code ?? 'unknown';
    return { code: `CRAFT_SYSTEM_${code}`, message: redactText(error.message), details: [], hint: systemHints[code] };
  }
  const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
  const [message = '', ...stack] = redactText(text).split('\n');
  return {
    code: 'CRAFT_INTERNAL',
    message,
    details: stack,
    hint: 'this is a bug of craft: please report it with these lines',
  };
}

/** The lines of an error on a terminal. */
export function errorLines(error: unknown): string[] {
  const { code, message, details, hint } = describeError(error);
  return [`craft: ${message} [${code}]`, ...details.map((line) => `  ${line}`), ...(hint ? [`  → ${hint}`] : [])];
}
