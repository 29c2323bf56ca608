import { describe, expect, it } from 'vitest';
import { smallBody, smallBodyTemplate, smallBytes, smallPath, smallPathPattern } from './bodies.ts';

describe('small bodies', () => {
  it.each([0, 1, 12_345, 99_999_999])('%i: nginx makes of the path what clients expect', (index) => {
    const digits = new RegExp(smallPathPattern).exec(smallPath(index))?.[1];
    expect(digits).toBeDefined();
    expect(smallBodyTemplate().replaceAll('$1', digits as string)).toBe(smallBody(index).toString());
    expect(smallBody(index)).toHaveLength(smallBytes);
  });

  it('are all different', () => {
    const all = new Set(Array.from({ length: 2000 }, (_, index) => smallBody(index).toString()));
    expect(all.size).toBe(2000);
  });
});
