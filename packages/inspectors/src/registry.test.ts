import { describe, expect, it } from 'vitest';
import { defaultInspector } from './default.js';
import { assertUniqueIds, createInspectorRegistry } from './registry.js';

describe('createInspectorRegistry', () => {
  const ids = createInspectorRegistry({}).map(({ id }) => id);

  it('lists each id once, `<ecosystem>.<format>` or one word, default last', () => {
    expect(new Set(ids).size).toBe(ids.length);
    expect(ids.at(-1)).toBe('default');
    for (const id of ids) expect(id).toMatch(/^(x-)?[a-z0-9]+(\.[a-z0-9-]+)*$/);
  });

  it('claims nothing without configuration', () => {
    const url = new URL('https://registry.example/left-pad');
    const headers = { get: () => undefined, raw: [] };
    for (const inspector of createInspectorRegistry({})) {
      const claim = inspector.inspectRequest({
        method: 'GET',
        url,
        normalizedUrl: 'https://registry.example:443/left-pad',
        headers,
      });
      expect(claim?.opinion ?? 'Unknown').toBe('Unknown');
    }
  });

  it('refuses patterns that cannot be compiled', () => {
    const bad = { generic: { files: [{ url: 'https://h/{a', sha256: '0'.repeat(64) }] } };
    expect(() => createInspectorRegistry(bad)).toThrowError(expect.objectContaining({ code: 'POLICY_GLOB_INVALID' }));
  });

  it('refuses duplicate ids and a list without default', () => {
    const code = expect.objectContaining({ code: 'INSPECTOR_DUPLICATE_ID' });
    expect(() => assertUniqueIds([defaultInspector(), defaultInspector()])).toThrowError(code);
    expect(() => assertUniqueIds([])).toThrowError(code);
  });
});
