import { isSecretHeader, type Logger, redacted, redactText } from '@waybill/contracts';
import { pino } from 'pino';

const secretField = /^(token|password|passwd|secret|credentials?|authorization|auth)$/i;

/** Structured lines, one JSON object each; nothing secret gets through, whatever a caller passes (promise 6). */
export function createServerLog(write: (line: string) => void, level: 'debug' | 'info' | 'warn' | 'error'): Logger {
  const logger = pino(
    {
      level,
      base: { pid: process.pid },
      timestamp: () => `,"time":"${new Date().toISOString()}"`,
      formatters: {
        level: (label) => ({ level: label }),
        log: (fields) => clean(fields, 0) as Record<string, unknown>,
      },
    },
    { write },
  );
  const method = (name: typeof level) => (fields: Readonly<Record<string, unknown>>, message: string) =>
    logger[name](fields, redactText(message));
  return { debug: method('debug'), info: method('info'), warn: method('warn'), error: method('error') };
}

function clean(value: unknown, depth: number, key = ''): unknown {
  if (secretField.test(key) || isSecretHeader(key)) return value === undefined ? undefined : redacted;
  if (typeof value === 'string') return redactText(value);
  if (value instanceof Error) return redactText(value.stack ?? value.message);
  if (typeof value !== 'object' || value === null || value instanceof Date) return value;
  if (depth >= 4) return '[…]';
  if (Array.isArray(value)) return value.slice(0, 100).map((item) => clean(item, depth + 1, key));
  return Object.fromEntries(Object.entries(value).map(([name, field]) => [name, clean(field, depth + 1, name)]));
}
