import type { InspectorsConfig } from '@waybill/contracts';
import { describe, expect, it } from 'vitest';
import { createMergedConfigurations } from './merged-configurations.js';

const base: InspectorsConfig = { git: { urls: ['https://git.example:443/**'] } };
const crafts = (name: string) => ({ crafts: { urls: [`https://${name}.example:443/**`] } });

describe('createMergedConfigurations', () => {
  it('without sections: the service’s own', async () => {
    const merged = createMergedConfigurations();
    for (const sections of [undefined, null]) expect(await merged.of(base, sections)).toBe(base);
  });

  it('equal sections on the same base are one configuration', async () => {
    const merged = createMergedConfigurations();
    const one = await merged.of(base, crafts('a'));
    expect(one).toEqual({ ...base, ...crafts('a') });
    expect(await merged.of(base, { ...crafts('a'), git: null })).toBe(one);
    expect(await merged.of(base, crafts('b'))).not.toBe(one);
  });

  it('a new base makes new ones', async () => {
    const merged = createMergedConfigurations();
    await merged.of(base, crafts('a'));
    const other = { git: { urls: [] } };
    expect(await merged.of(other, crafts('a'))).toEqual({ ...other, ...crafts('a') });
    expect(await merged.of(base, crafts('a'))).toEqual({ ...base, ...crafts('a') });
  });

  it('a refusal is not kept, and is the same again', async () => {
    const merged = createMergedConfigurations();
    for (let n = 0; n < 2; n++) {
      await expect(merged.of(base, { git: { urls: 7 } })).rejects.toMatchObject({ code: 'FETCH_REQUEST_INVALID' });
    }
  });

  it('nothing but depth is refused', async () => {
    const deep = JSON.parse(`${'{"npm":'.repeat(100_000)}1${'}'.repeat(100_000)}`);
    await expect(createMergedConfigurations().of(base, deep)).rejects.toMatchObject({ code: 'FETCH_REQUEST_INVALID' });
  });

  it('few are kept, those used last', async () => {
    const merged = createMergedConfigurations();
    const first = await merged.of(base, crafts('first'));
    const second = await merged.of(base, crafts('second'));
    for (let n = 0; n < 7; n++) {
      await merged.of(base, crafts(`a${n}`));
      expect(await merged.of(base, crafts('first'))).toBe(first);
    }
    expect(await merged.of(base, crafts('second'))).not.toBe(second);
  });
});
