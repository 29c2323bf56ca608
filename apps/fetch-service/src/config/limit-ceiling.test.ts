import type { LimitsConfig } from '@waybill/contracts';
import { expect, it } from 'vitest';
import { belowCeiling } from './limit-ceiling.js';

it.each<[string, LimitsConfig, LimitsConfig | undefined, LimitsConfig]>([
  [
    'a service that says nothing is no ceiling',
    { connections: 9, hold: 'stream' },
    undefined,
    { connections: 9, hold: 'stream' },
  ],
  ['less than the ceiling is taken', { connections: 9 }, { connections: 10 }, { connections: 9 }],
  ['more is cut', { connections: 11, 'total-bytes': 5 }, { connections: 10 }, { connections: 10, 'total-bytes': 5 }],
  [
    'none is cut',
    { 'bytes-per-second': 0, 'artifact-bytes': 0 },
    { 'bytes-per-second': 7 },
    { 'bytes-per-second': 7, 'artifact-bytes': 0 },
  ],
  ['a ceiling of none is none', { downloads: 7 }, { downloads: 0 }, { downloads: 7 }],
  [
    'what the session leaves out is inherited',
    {},
    { exchanges: 3, hold: 'whole', 'early-headers-after-ms': 1 },
    { exchanges: 3, hold: 'whole', 'early-headers-after-ms': 1 },
  ],
  ['no reuse stays', { reuse: 'on' }, { reuse: 'off' }, { reuse: 'off' }],
  ['no reuse may be asked for', { reuse: 'off' }, { reuse: 'on' }, { reuse: 'off' }],
  ['holding whole stays', { hold: 'stream' }, { hold: 'whole' }, { hold: 'whole' }],
  ['holding whole may be asked for', { hold: 'whole' }, { hold: 'stream' }, { hold: 'whole' }],
  [
    'no time-out is not longer than one',
    { 'upstream-idle-timeout-ms': 0 },
    { 'upstream-idle-timeout-ms': 5 },
    { 'upstream-idle-timeout-ms': 5 },
  ],
  [
    'nothing inspected is less than something',
    { 'inspected-request-bytes': 0 },
    { 'inspected-request-bytes': 5 },
    { 'inspected-request-bytes': 0 },
  ],
  [
    'a drip may be told sooner, not later',
    { 'upstream-idle-bytes': 1 },
    { 'upstream-idle-bytes': 100 },
    { 'upstream-idle-bytes': 100 },
  ],
  [
    'early headers are for the session to say',
    { 'early-headers-after-ms': 9 },
    { 'early-headers-after-ms': 1 },
    { 'early-headers-after-ms': 9 },
  ],
])('%s', (_name, own, ceiling, expected) => expect(belowCeiling(own, ceiling)).toEqual(expected));
