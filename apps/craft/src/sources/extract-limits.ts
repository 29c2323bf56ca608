import { CraftError } from '../errors.js';

/** Bounds of what one archive may become. */
export interface ExtractLimits {
  readonly maxEntries: number;
  readonly maxBytes: number;
}

/** Bounds for an archive of a size: generous for real sources, deadly for bombs. */
export function limitsFor(archiveBytes: number): ExtractLimits {
  return { maxEntries: 2_000_000, maxBytes: Math.min(64 * 2 ** 30, Math.max(2 ** 30, archiveBytes * 200)) };
}

/** Counts what is unpacked. */
export interface ExtractMeter {
  entry(): void;
  bytes(count: number): void;
}

/**
 * Starts counting.
 * @throws CraftError CRAFT_SOURCE_TOO_LARGE from its methods
 */
export function createMeter(limits: ExtractLimits, archive: string): ExtractMeter {
  let entries = 0;
  let bytes = 0;
  const fail = (what: string) =>
    new CraftError('CRAFT_SOURCE_TOO_LARGE', `${archive} unpacks to more than ${what}`, {
      hint: 'unpack it yourself and use a local source if that is really meant',
    });
  return {
    entry() {
      if (++entries > limits.maxEntries) throw fail(`${limits.maxEntries} entries`);
    },
    bytes(count) {
      bytes += count;
      if (bytes > limits.maxBytes) throw fail(`${limits.maxBytes} bytes`);
    },
  };
}
