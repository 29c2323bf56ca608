import { describe, expect, it } from 'vitest';
import { checkLinkTarget } from './link-target.js';

describe('checkLinkTarget', () => {
  it.each([
    ['a/b', 'c', 'c'],
    ['a/b', '../c', '../c'],
    ['a/b', './../c/../d', './../c/../d'],
  ])('keeps %s → %s', (path, target, wanted) => {
    expect(checkLinkTarget(path, target, 'refuse', 'x.tar')).toBe(wanted);
  });

  it.each([
    ['a', '..'],
    ['a', '../x'],
    ['a/b', '../../x'],
    ['a/b', 'c/../../../x'],
    ['a', '/etc/passwd'],
    ['a', ''],
    ['a', 'x\0y'],
  ])('refuses %s → %j', (path, target) => {
    expect(() => checkLinkTarget(path, target, 'refuse', 'x.tar')).toThrowError(
      expect.objectContaining({ code: 'CRAFT_SOURCE_UNSAFE' }),
    );
  });

  it.each([
    ['usr/bin/vi', '/etc/alternatives/vi', '../../etc/alternatives/vi'],
    ['bin', '/usr/bin', 'usr/bin'],
    ['usr/x', '/../../etc', '../etc'],
    ['a', '/', '.'],
  ])('rebases %s → %s', (path, target, wanted) => {
    expect(checkLinkTarget(path, target, 'rebase', 'x.deb')).toBe(wanted);
  });
});
