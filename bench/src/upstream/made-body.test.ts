import { describe, expect, it } from 'vitest';
import { madeBody, madeFolders, madeHost, madeLocation, madePath, medium, small } from './made-body.ts';

describe('made bodies', () => {
  it.each(madeFolders)('$folder: nginx makes of the path what clients expect', (folder) => {
    const found = /^location ~ "(.*?)" \{ set \$unit "(.*?)"; return 200 "(.*?)"; \}$/.exec(madeLocation(folder));
    const [, pattern, unit, template] = found as unknown as [string, string, string, string];
    expect(Math.max(unit.length, template.length)).toBeLessThan(4096);
    for (const index of [0, 12_345, 99_999_999]) {
      const digits = new RegExp(pattern).exec(madePath(folder, index))?.[1] as string;
      const body = template.replaceAll('$unit', unit).replaceAll('$1', digits);
      expect(body).toBe(madeBody(folder, index).toString());
      expect(body).toHaveLength(folder.bytes);
    }
  });

  it('are all different', () => {
    const all = new Set(Array.from({ length: 2000 }, (_, index) => madeBody(small, index).toString()));
    expect(all.size).toBe(2000);
  });

  it('have paths of their own, and hosts where they want them', () => {
    expect(madePath(medium, 42)).toBe('/100k/00000042');
    expect(madeHost({ hostSuffix: '.hosts.example' }, 42, 'localhost')).toBe('n00000042.hosts.example');
    expect(madeHost({}, 42, 'localhost')).toBe('localhost');
  });
});
