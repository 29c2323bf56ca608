/** What garbage collection is told. */
export interface GcSettings {
  /** How long after its end a session's records and files stay; undefined = until somebody deletes them. */
  readonly keepSessionsMs: number | undefined;
  /** Whether the report files (`session.json`, `assets/<sha256>.json`) of such a session stay, without its bodies. */
  readonly keepsReports: boolean;
  /** Bytes that bodies may take; undefined = as much as the disk has, and bodies that nobody refers to go at once. */
  readonly quotaBytes: number | undefined;
}

export const noGc: GcSettings = { keepSessionsMs: undefined, keepsReports: false, quotaBytes: undefined };

const units = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000, w: 604_800_000 } as const;

/** `90s`, `30m`, `12h`, `30d`, `8w` in milliseconds; undefined for anything else. */
export function parseAge(text: string): number | undefined {
  const [, amount, unit] = /^(\d{1,6})([smhdw])$/.exec(text.trim()) ?? [];
  if (amount === undefined || unit === undefined) return undefined;
  return Number(amount) * units[unit as keyof typeof units];
}

const sizes = { '': 1, K: 2 ** 10, M: 2 ** 20, G: 2 ** 30, T: 2 ** 40 } as const;

/** Bytes, with `K`, `M`, `G`, `T` (powers of 1024, also written `GiB`, `GB`) where wanted; undefined for anything else. */
export function parseBytes(text: string): number | undefined {
  const [, amount, unit] = /^(\d{1,15})\s*([KMGT]?)(?:i?B)?$/i.exec(text.trim()) ?? [];
  if (amount === undefined || unit === undefined) return undefined;
  const bytes = Number(amount) * sizes[unit.toUpperCase() as keyof typeof sizes];
  return Number.isSafeInteger(bytes) ? bytes : undefined;
}

/** For people. */
export function formatBytes(bytes: number): string {
  const names = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  const step = Math.min(names.length - 1, Math.floor(Math.log2(Math.max(1, bytes)) / 10));
  const value = bytes / 2 ** (10 * step);
  return `${step === 0 ? value : value.toFixed(1)} ${names[step]}`;
}
