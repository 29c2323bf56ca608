import { expect, it } from 'vitest';
import { normalizeLicense } from './license.js';

it.each([
  ['MIT', 'MIT'],
  ['(MIT OR Apache-2.0)', '(MIT OR Apache-2.0)'],
  ['Apache License, Version 2.0', 'Apache-2.0'],
  ['Apache 2', 'Apache-2.0'],
  ['The MIT License', 'MIT'],
  ['BSD 3-Clause', 'BSD-3-Clause'],
  ['BSD', 'BSD'],
  ['GPL', 'GPL'],
  ['GPLv3', 'GPLv3'],
  ['Apache', 'Apache'],
  ['UNLICENSED', 'UNLICENSED'],
  ['SEE LICENSE IN LICENSE.txt', 'SEE LICENSE IN LICENSE.txt'],
  ['  ISC\n', 'ISC'],
  ['', ''],
  ['x'.repeat(5000), 'x'.repeat(1000)],
])('%s → %s', (text, license) => expect(normalizeLicense(text)).toBe(license));
