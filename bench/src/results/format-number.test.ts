import { describe, expect, it } from 'vitest';
import { short, withSpread } from './format-number.ts';

describe('short', () => {
  it.each([
    [0, '0.00'],
    [0.123, '0.12'],
    [9.994, '9.99'],
    [9.996, '10.0'],
    [12.34, '12.3'],
    [99.96, '100'],
    [123.4, '123'],
    [1234.5, '1 235'],
    [1_234_567, '1 234 567'],
    [-0.31, '-0.31'],
  ])('%s is %s', (value, text) => {
    expect(short(value)).toBe(text);
  });
});

describe('withSpread', () => {
  it.each([
    ['no number', undefined, '–'],
    ['one round', { median: 2, min: 2, max: 2, rounds: 1 }, '2.00×'],
    ['several', { median: 2, min: 1, max: 30, rounds: 3 }, '2.00× (1.00–30.0)'],
  ])('%s', (_name, spread, text) => {
    expect(withSpread(spread, '×')).toBe(text);
  });
});
