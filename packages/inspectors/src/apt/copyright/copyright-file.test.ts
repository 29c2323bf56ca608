import { describe, expect, it } from 'vitest';
import { helloCopyright } from '../../../test/apt-fixtures.js';
import { readCopyright } from './copyright-file.js';
import { isSpdx, spdxOfShortName } from './license-names.js';

const mit = `Permission is hereby granted, free of charge, to any person obtaining a copy
 of this software … The above copyright notice and this permission notice shall
 be included in all copies`;
const bsd = 'Redistribution and use in source and binary forms, with or without modification, are permitted';
const gpl2 = `This program is free software; you can redistribute it and/or modify it under the terms of the GNU
 General Public License as published by the Free Software Foundation; either version 2 of the License, or (at your option)
 any later version.`;

describe('readCopyright', () => {
  it('reads machine-readable fields, the paragraph for * first', () => {
    expect(readCopyright(helloCopyright)).toEqual({
      license: 'GPL-2.0-or-later AND MIT',
      copyright: '2020 An Author\n2021 Somebody',
      author: 'An Author',
      authorEmail: 'author@hello.example',
      form: 'machine-readable',
    });
    const reversed = helloCopyright.split('\n\n');
    const text = [reversed[0], reversed[2]?.trim(), reversed[1]].join('\n\n');
    expect(readCopyright(text).license).toBe('GPL-2.0-or-later AND MIT');
  });

  it.each<[string, string, string]>([
    ['a license in the header', 'Format: https://format.example/copyright-format/1.0/\nLicense: ISC\n', 'ISC'],
    [
      'the old header',
      'Format-Specification: http://format.example/dep5.mdwn\n\nFiles: *\nCopyright: x\nLicense: Artistic or GPL-1+\n',
      'Artistic-1.0-Perl OR GPL-1.0-or-later',
    ],
    [
      'alternatives beside another',
      'Format: x/copyright-format/1.0/\n\nFiles: *\nLicense: Expat or GPL-2\n\nFiles: a\nLicense: Zlib\n',
      '(MIT OR GPL-2.0-only) AND Zlib',
    ],
    [
      'broken fields: by its text',
      `Format: x/copyright-format/1.0/\n\nFiles: *\nFiles: a\nLicense: Expat\n\n${mit}\n`,
      'MIT',
    ],
    [
      'no Files at all: by its text',
      `Format: x/copyright-format/1.0/\n\n${mit.replace('Permission', 'Comment: Permission')}\n`,
      'MIT',
    ],
  ])('reads %s', (_name, text, license) => {
    expect(readCopyright(text).license).toBe(license);
  });

  it.each<[string, string, string]>([
    ['nothing', '', ''],
    ['prose', 'This was packaged by somebody, from somewhere.', ''],
    ['MIT', mit, 'MIT'],
    ['X11', `${mit}\nExcept as contained in this notice, the name of the X Consortium`, 'X11'],
    ['two-clause BSD', bsd, 'BSD-2-Clause'],
    ['three-clause BSD', `${bsd} … Neither the name of the University`, 'BSD-3-Clause'],
    ['four-clause BSD', `${bsd} … All advertising materials mentioning features … Neither the name of`, 'BSD-4-Clause'],
    ['Apache by name', 'Licensed under the Apache License, Version 2.0 (the "License")', 'Apache-2.0'],
    ['Apache by file', 'see /usr/share/common-licenses/Apache-2.0', 'Apache-2.0'],
    [
      'ISC',
      'Permission to use, copy, modify, and/or distribute this software for any purpose with or without fee',
      'ISC',
    ],
    ['GPL 2 or later', gpl2, 'GPL-2.0-or-later'],
    [
      'GPL 2 only',
      'under the terms of the GNU General Public License version 2 as published by the FSF.',
      'GPL-2.0-only',
    ],
    ['GPL 3 in comment signs', gpl2.replace('version 2', 'version 3').replace(/^/gm, ' * '), 'GPL-3.0-or-later'],
    ['GPL without version', 'It may be used under the GNU General Public License.', 'GPL-1.0-or-later'],
    [
      'LGPL',
      gpl2.replace(/GNU\s+General/, 'GNU Lesser General').replace('version 2', 'version 2.1'),
      'LGPL-2.1-or-later',
    ],
    ['a file of GPL texts', 'see /usr/share/common-licenses/GPL-3.', 'GPL-3.0-only'],
    [
      'an exception with a version of its own',
      `${gpl2} GCC Runtime Library Exception of the GPL, version 3.1`,
      'GPL-2.0-or-later',
    ],
    ['the public domain', 'These files are in the public domain.', 'LicenseRef-public-domain'],
    ['several', `${mit}\n\n${gpl2}`, 'MIT AND GPL-2.0-or-later'],
  ])('recognises %s in free text', (_name, text, license) => {
    expect(readCopyright(text)).toMatchObject({ license, form: 'free text' });
    expect(license === '' || isSpdx(license)).toBe(true);
  });

  it('finds authors and copyright lines in free text', () => {
    const text = `This package was debianized by X.\n\nUpstream Author(s):\n\n    Jane Doe <jane@upstream.example>\n\nCopyright:\n\n  Copyright (C) 2001 Jane Doe\n\n${gpl2}`;
    expect(readCopyright(text)).toMatchObject({ copyright: 'Copyright (C) 2001 Jane Doe' });
    const inline = readCopyright(text.replace('Author(s):\n\n    ', 'Author(s): '));
    expect(inline).toMatchObject({ author: 'Jane Doe', authorEmail: 'jane@upstream.example' });
    const address = readCopyright(
      text.replace('Author(s):\n\n    Jane Doe <jane@upstream.example>', 'Author: jane@upstream.example'),
    );
    expect(address).toMatchObject({ author: '', authorEmail: 'jane@upstream.example' });
  });

  it('stays quick and short on hostile text', () => {
    const hostile = [
      '\n'.repeat(600_000),
      `Author: ${' ,'.repeat(200_000)}<`,
      'gnu general public license version '.repeat(15_000),
      '.'.repeat(600_000),
      `${'Copyright (c) 2000 x'.repeat(20_000)}\n`,
      'Format: copyright-format\n\n'.repeat(9_000),
      `Format: copyright-format\n\nFiles: *\nLicense: ${'a or '.repeat(100_000)}\n`,
      'redistributions of source code '.repeat(10_000),
    ];
    for (const text of hostile) {
      const before = performance.now();
      const { license, copyright, author } = readCopyright(text);
      expect(performance.now() - before).toBeLessThan(3000);
      expect(license.length + copyright.length + author.length).toBeLessThan(10_000);
    }
  });
});

describe('spdxOfShortName', () => {
  it.each([
    ['GPL-2', 'GPL-2.0-only'],
    ['GPL-2+', 'GPL-2.0-or-later'],
    ['GPL-2.0+', 'GPL-2.0-or-later'],
    ['GPLv3+', 'GPL-3.0-or-later'],
    ['GPL', 'GPL-1.0-or-later'],
    ['LGPL-2.1', 'LGPL-2.1-only'],
    ['LGPL-3+', 'LGPL-3.0-or-later'],
    ['AGPL-3+', 'AGPL-3.0-or-later'],
    ['GFDL-1.3+', 'GFDL-1.3-or-later'],
    ['GFDL-NIV-1.3+', 'GFDL-1.3-no-invariants-or-later'],
    ['Expat', 'MIT'],
    ['BSD-3-clause', 'BSD-3-Clause'],
    ['Apache-2', 'Apache-2.0'],
    ['Apache-2.0', 'Apache-2.0'],
    ['public-domain', 'LicenseRef-public-domain'],
    ['Perl', '(GPL-1.0-or-later OR Artistic-1.0-Perl)'],
    ['GPL-2+ or Artistic, and BSD-3-clause', '(GPL-2.0-or-later OR Artistic-1.0-Perl) AND BSD-3-Clause'],
    ['GPL-2+ and Expat', 'GPL-2.0-or-later AND MIT'],
    ['GPL-3+ with Bison exception', 'GPL-3.0-or-later WITH Bison-exception-2.2'],
    ['GPL-2+ with OpenSSL exception', 'LicenseRef-GPL-2-with-OpenSSL-exception'],
    ['GPL-99', 'LicenseRef-GPL-99'],
    ['Some (odd) name!', 'LicenseRef-Some-odd-name'],
    ['constructor', 'LicenseRef-constructor'],
    ['__proto__', 'LicenseRef-proto'],
    ['0BSD', '0BSD'],
    ['', ''],
    ['…', ''],
    ['x'.repeat(2000), ''],
  ])('reads %j as %j', (name, wanted) => {
    expect(spdxOfShortName(name)).toBe(wanted);
    expect(wanted === '' || isSpdx(wanted)).toBe(true);
  });
});
