/** Writes one structured line. `fields` never hold secrets; callers redact first. */
export type LogMethod = (fields: Readonly<Record<string, unknown>>, message: string) => void;

/** The part of pino's interface that libraries use. */
export interface Logger {
  debug: LogMethod;
  info: LogMethod;
  warn: LogMethod;
  error: LogMethod;
}

/** Drops everything. */
export const silentLogger: Logger = { debug() {}, info() {}, warn() {}, error() {} };
