import type { LimitsConfig } from '@waybill/contracts';

type Amount = Exclude<keyof LimitsConfig, 'hold' | 'reuse' | 'early-headers-after-ms'>;

/** How two values of a key become the stricter one. */
const stricter: Readonly<Record<Amount, (a: number, b: number) => number>> = {
  'inspected-request-bytes': Math.min,
  'upstream-idle-bytes': Math.max,
  'artifact-bytes': least,
  'inspection-timeout-ms': least,
  'upstream-connect-timeout-ms': least,
  'upstream-idle-timeout-ms': least,
  connections: least,
  exchanges: least,
  'requests-per-second': least,
  'bytes-per-second': least,
  'total-bytes': least,
  downloads: least,
};

/**
 * A session's own limits under the service's: what the service's file names is a ceiling, whatever the session wants; what a
 * session does not name, it has from the service.
 */
export function belowCeiling(own: LimitsConfig, ceiling: LimitsConfig = {}): LimitsConfig {
  const amounts = Object.entries(stricter).flatMap(([name, choose]) => {
    const key = name as Amount;
    const [wanted, most] = [own[key], ceiling[key]];
    const value = wanted !== undefined && most !== undefined ? choose(wanted, most) : (wanted ?? most);
    return value === undefined ? [] : [[key, value]];
  });
  const hold = ceiling.hold === 'whole' ? ceiling.hold : (own.hold ?? ceiling.hold);
  const reuse = ceiling.reuse === 'off' ? ceiling.reuse : (own.reuse ?? ceiling.reuse);
  const early = own['early-headers-after-ms'] ?? ceiling['early-headers-after-ms'];
  return {
    ...(Object.fromEntries(amounts) as LimitsConfig),
    ...(hold && { hold }),
    ...(reuse && { reuse }),
    ...(early !== undefined && { 'early-headers-after-ms': early }),
  };
}

/** 0 stands for no limit. */
function least(a: number, b: number): number {
  if (a === 0 || b === 0) return Math.max(a, b);
  return Math.min(a, b);
}
