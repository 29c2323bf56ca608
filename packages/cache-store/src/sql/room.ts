import type { NamespaceRules } from '../cache-store.js';
import { fullError } from '../errors.js';

/** Limits of a namespace as numbers. */
export interface Limits {
  /** Above it eviction begins. */
  readonly high: number;
  /** Eviction goes down to it. */
  readonly low: number;
  /** Never exceeded. */
  readonly hard: number;
  /** Largest body. */
  readonly body: number;
}

export function limitsOf(rules: NamespaceRules): Limits {
  const { quotaBytes, hardLimitBytes, lowWatermark = 0.8 } = rules;
  const hard = hardLimitBytes ?? (quotaBytes === undefined ? Number.POSITIVE_INFINITY : Math.floor(1.05 * quotaBytes));
  const high = Math.min(quotaBytes ?? hard, hard);
  const body = Math.min(rules.maxBlobBytes ?? high, hard);
  return { high, low: Math.floor(high * lowWatermark), hard, body };
}

/** How the room of namespaces is known and made. */
export interface RoomSource {
  /** Bytes that a namespace has now. */
  usedBytes(namespace: string): Promise<number>;
  /** Evicts until a namespace has `bytes` at most, as far as it may. */
  shrink(namespace: string, bytes: number): Promise<void>;
}

/** Room that uploads of this process have been promised. It ends with them, and with the process. */
export class Room {
  readonly #source: RoomSource;
  readonly #reserved = new Map<string, number>();

  constructor(source: RoomSource) {
    this.#source = source;
  }

  reservedBytes(namespace: string): number {
    return this.#reserved.get(namespace) ?? 0;
  }

  /** @throws CacheStoreError CACHE_FULL */
  async reserve(namespace: string, bytes: number, { hard, low }: Limits): Promise<void> {
    if (bytes === 0) return;
    for (let isLastTry = false; ; isLastTry = true) {
      const used = Number.isFinite(hard) ? await this.#source.usedBytes(namespace) : 0;
      const reserved = this.reservedBytes(namespace);
      if (used + reserved + bytes <= hard) {
        this.#reserved.set(namespace, reserved + bytes);
        return;
      }
      if (isLastTry) throw fullError(namespace, bytes);
      await this.#source.shrink(namespace, Math.max(0, Math.min(low, hard - reserved - bytes)));
    }
  }

  release(namespace: string, bytes: number): void {
    const left = this.reservedBytes(namespace) - bytes;
    if (left > 0) this.#reserved.set(namespace, left);
    else this.#reserved.delete(namespace);
  }
}
