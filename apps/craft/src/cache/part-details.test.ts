import { describe, expect, it } from 'vitest';
import { parseDetails } from './part-details.js';

const details = (more: object = {}) => ({ 'pull-variables': {}, 'build-variables': {}, outcome: {}, ...more });
const parse = (value: object, adopt: string | undefined = 'app') =>
  parseDetails(value as Record<string, unknown>, 'app', { 'adopt-info': adopt });

describe('parseDetails', () => {
  it('takes what craftctl lets scripts set', () => {
    const value = details({ 'build-variables': { version: '1.2', summary: 'A sample' }, outcome: { commit: 'abc' } });
    expect(parse(value)).toEqual(value);
    expect(parse(details(), undefined)).toEqual(details());
  });

  it.each([
    ['nothing', {}],
    ['another form', details({ outcome: 'text' })],
    ['a value that is no text', details({ 'build-variables': { version: 1 } })],
    ['a version that leaves its directory', details({ 'build-variables': { version: '1/../../../evil' } })],
    ['a version in the pull that does', details({ 'pull-variables': { version: '../x' } })],
    ['a variable that scripts cannot set', details({ 'build-variables': { name: 'other' } })],
    ['a name of every object', details({ 'build-variables': { constructor: 'x' } })],
    ['text beyond all bounds', details({ outcome: { commit: 'x'.repeat(70_000) } })],
  ])('refuses %s', (_, value) => {
    expect(parse(value)).toBeUndefined();
  });

  it('refuses variables of a part that may not set them', () => {
    expect(parse(details({ 'build-variables': { version: '1.2' } }), 'other')).toBeUndefined();
    expect(parseDetails(details({ 'build-variables': { version: '1.2' } }), 'app', {})).toBeUndefined();
  });
});
