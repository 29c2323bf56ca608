import { expect, it } from 'vitest';
import { TokenBucket } from './token-bucket.js';

function bucketAt(perSecond: number, burst?: number) {
  let now = 0;
  const bucket = new TokenBucket(perSecond, burst, () => now);
  return { bucket, pass: (ms: number) => (now += ms) };
}

it('lets a burst through and then keeps the rate', () => {
  const { bucket, pass } = bucketAt(1000);
  expect(bucket.use(1000)).toBe(0);
  expect(bucket.use(500)).toBe(500);
  pass(500);
  expect(bucket.use(100)).toBe(100);
});

it('makes several users wait one behind the other', () => {
  const { bucket } = bucketAt(100, 0);
  expect([bucket.use(10), bucket.use(10), bucket.use(10)]).toEqual([100, 200, 300]);
});

it('does not save up more than the burst', () => {
  const { bucket, pass } = bucketAt(100, 50);
  pass(60_000);
  expect(bucket.use(100)).toBe(500);
});

it('says beforehand how long a use would wait', () => {
  const { bucket } = bucketAt(10, 1);
  expect(bucket.delayOf(1)).toBe(0);
  bucket.use(1);
  expect(bucket.delayOf(1)).toBe(100);
});

it('carries a use of any size as a debt', () => {
  const { bucket, pass } = bucketAt(1000, 0);
  expect(bucket.use(1_000_000)).toBe(1_000_000);
  pass(1_000_000);
  expect(bucket.use(0)).toBe(0);
});
