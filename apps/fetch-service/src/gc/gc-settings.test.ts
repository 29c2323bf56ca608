import { expect, it } from 'vitest';
import { formatBytes, parseAge, parseBytes } from './gc-settings.js';

it.each<[string, number | undefined]>([
  ['90s', 90_000],
  ['30m', 1_800_000],
  ['12h', 43_200_000],
  ['30d', 2_592_000_000],
  ['8w', 4_838_400_000],
  ['0d', 0],
  ['30', undefined],
  ['d', undefined],
  ['-1d', undefined],
  ['1.5d', undefined],
  ['30 days', undefined],
  ['9999999d', undefined],
])('the age %s', (text, ms) => expect(parseAge(text)).toBe(ms));

it.each<[string, number | undefined]>([
  ['1', 1],
  ['500M', 524_288_000],
  ['50G', 53_687_091_200],
  ['50g', 53_687_091_200],
  ['50GiB', 53_687_091_200],
  ['2 TB', 2_199_023_255_552],
  ['10B', 10],
  ['', undefined],
  ['G', undefined],
  ['-5G', undefined],
  ['5X', undefined],
  ['999999999999999T', undefined],
])('the size %s', (text, bytes) => expect(parseBytes(text)).toBe(bytes));

it.each([
  [0, '0 B'],
  [1023, '1023 B'],
  [1024, '1.0 KiB'],
  [1_610_612_736, '1.5 GiB'],
  [2 ** 60, '1048576.0 TiB'],
])('%i bytes for people', (bytes, text) => expect(formatBytes(bytes)).toBe(text));
