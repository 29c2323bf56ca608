import { expect } from 'vitest';

export async function all<T>(rows: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = [];
  for await (const row of rows) found.push(row);
  return found;
}

export async function expectCode(attempt: Promise<unknown>, code: string): Promise<void> {
  await expect(attempt).rejects.toThrow(expect.objectContaining({ code }));
}
