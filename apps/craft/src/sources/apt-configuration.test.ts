import { describe, expect, it } from 'vitest';
import { statusWithout } from './apt-configuration.js';

const status =
  'Package: hello\nStatus: install ok installed\nVersion: 1\n\nPackage: libc6\nVersion: 2\nDescription: x\n .\n more\n\n\nPackage: hello-data\nVersion: 3\n';

describe('statusWithout', () => {
  it.each([
    ['one', ['hello'], ['libc6', 'hello-data']],
    ['one with a version and one with an architecture', ['hello=1', 'libc6:amd64'], ['hello-data']],
    ['none of them', ['absent'], ['hello', 'libc6', 'hello-data']],
  ])('takes away %s', (_name, wanted, names) => {
    expect([...statusWithout(status, wanted).matchAll(/^Package: (.*)$/gm)].map(([, name]) => name)).toEqual(names);
  });

  it('is empty for nothing', () => {
    expect(statusWithout('', ['hello'])).toBe('');
  });
});
