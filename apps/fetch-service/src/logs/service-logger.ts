import { isSecretHeader, type Logger, redacted, redactText, redactUrl } from '@waybill/contracts';
import { pino } from 'pino';
import type { LogFile } from './log-file.js';

/** Levels of `--verbosity`, the seed's names. */
export const verbosities = ['debug', 'info', 'warning', 'error'] as const;
export type Verbosity = (typeof verbosities)[number];

const levels: Record<Verbosity, string> = { debug: 'debug', info: 'info', warning: 'warn', error: 'error' };
const secretField = /^(token|password|passwd|secret|credentials?|authorization|auth|.*-credentials)$/i;
const maxDepth = 4;

/** Structured lines, one JSON object each; nothing secret gets through, whatever a caller passes (promise 6). */
export function createServiceLogger(file: Pick<LogFile, 'write'>, verbosity: Verbosity): Logger {
  const logger = pino(
    {
      level: levels[verbosity],
      base: { pid: process.pid },
      timestamp: () => `,"time":"${new Date().toISOString()}"`,
      formatters: {
        level: (label) => ({ level: label }),
        log: (fields) => cleanFields(fields, 0) as Record<string, unknown>,
      },
    },
    { write: (line: string) => file.write(line) },
  );
  const method =
    (level: 'debug' | 'info' | 'warn' | 'error') => (fields: Readonly<Record<string, unknown>>, message: string) =>
      logger[level](fields, redactText(message));
  return { debug: method('debug'), info: method('info'), warn: method('warn'), error: method('error') };
}

function cleanFields(value: unknown, depth: number, key = ''): unknown {
  if (secretField.test(key) || isSecretHeader(key)) return value === undefined ? undefined : redacted;
  if (typeof value === 'string') return /url$/i.test(key) ? redactText(redactUrl(value)) : redactText(value);
  if (value instanceof Error) return redactText(value.stack ?? value.message);
  if (typeof value !== 'object' || value === null) return value;
  if (value instanceof Date) return value.toISOString();
  if (depth >= maxDepth) return '[…]';
  if (Array.isArray(value)) return value.slice(0, 100).map((item) => cleanFields(item, depth + 1, key));
  return Object.fromEntries(Object.entries(value).map(([name, field]) => [name, cleanFields(field, depth + 1, name)]));
}
