import { isSpdx } from './license-names.js';

interface Phrase {
  readonly spdx: string;
  readonly all: readonly RegExp[];
  readonly none?: readonly RegExp[];
}

const mitGrant = /permission is hereby granted, free of charge, to any person obtaining a copy/;
const bsdGrant = /redistribution and use in source and binary forms/;
const bsdNames = /neither the names? of|may not be used to endorse or promote/;
const bsdAds = /all advertising materials mentioning features/;
const iscGrant =
  /permission to use, copy, modify, and(?:\/or)? distribute this software for any purpose with or without fee/;

/** Sentences of well-known licenses that are not of GNU's, in text with one blank between words, lower case. */
const phrases: readonly Phrase[] = [
  {
    spdx: 'MIT',
    all: [mitGrant],
    none: [/except as contained in this notice/],
  },
  { spdx: 'X11', all: [mitGrant, /except as contained in this notice/] },
  { spdx: 'BSD-4-Clause', all: [bsdGrant, bsdAds] },
  { spdx: 'BSD-3-Clause', all: [bsdGrant, bsdNames], none: [bsdAds] },
  { spdx: 'BSD-2-Clause', all: [bsdGrant], none: [bsdNames, bsdAds] },
  { spdx: 'ISC', all: [iscGrant] },
  {
    spdx: 'HPND-sell-variant',
    all: [/permission to use, copy, modify, distribute,? and sell this software and its documentation for any purpose/],
  },
  {
    spdx: 'Info-ZIP',
    all: [
      /redistributions of source code \(in whole or in part\) must retain the above copyright notice, definition|info-zip license/,
    ],
  },
  { spdx: 'TCL', all: [/authors hereby grant permission to use, copy, modify, distribute, and license this software/] },
  { spdx: 'Apache-2.0', all: [/apache license,? (?:version|v\.?) ?2\.0|common-licenses\/apache-2\.0/] },
  { spdx: 'MPL-2.0', all: [/mozilla public license,? (?:version|v\.?) ?2\.0|common-licenses\/mpl-2\.0/] },
  { spdx: 'MPL-1.1', all: [/mozilla public license,? version 1\.1|common-licenses\/mpl-1\.1/] },
  {
    spdx: 'Zlib',
    all: [
      /this software is provided 'as-is', without any express or implied warranty/,
      /altered source versions must be plainly marked/,
    ],
  },
  { spdx: 'BSL-1.0', all: [/boost software license/] },
  { spdx: 'CC0-1.0', all: [/cc0 1\.0|common-licenses\/cc0-1\.0/] },
  { spdx: 'OFL-1.1', all: [/sil open font license,? version 1\.1/] },
  { spdx: 'PSF-2.0', all: [/python software foundation license version 2/] },
  { spdx: 'OpenSSL', all: [/openssl license|this product includes software developed by the openssl project/] },
  { spdx: 'Artistic-2.0', all: [/artistic license,? (?:version )?2\.0/] },
  {
    spdx: 'Artistic-1.0-Perl',
    all: [/common-licenses\/artistic|the "artistic license"/],
    none: [/artistic license,? (?:version )?2\.0/],
  },
  { spdx: 'EPL-2.0', all: [/eclipse public license,? (?:version |- v ?)2\.0/] },
  { spdx: 'WTFPL', all: [/do what the fuck you want to public license/] },
  { spdx: 'Unlicense', all: [/this is free and unencumbered software released into the public domain/] },
  {
    spdx: 'LicenseRef-public-domain',
    all: [/(?:is|are|been placed|placed|released) (?:in|into|to) the public domain/],
    none: [/free and unencumbered software/],
  },
];

const families: readonly (readonly [family: string, name: RegExp, oldest: string])[] = [
  ['AGPL', /gnu affero general public licen[sc]e|\bagpl\b/g, '3.0'],
  ['LGPL', /gnu (?:lesser|library) general public licen[sc]e|\blgpl\b|common-licenses\/lgpl/g, '2.0'],
  ['GFDL', /gnu free documentation licen[sc]e|\bgfdl\b|common-licenses\/gfdl/g, '1.1'],
  ['GPL', /gnu general public licen[sc]e|\bgpl\b|common-licenses\/gpl/g, '1.0'],
];

/**
 * SPDX ids whose well-known sentences a free text holds, in order of certainty: texts themselves, then GNU's with their
 * versions. Empty when nothing is recognised; it never guesses between versions.
 */
export function recogniseLicenses(text: string): string[] {
  const words = text
    .replace(/^[ \t]*[#*;%/|>.-]+/gm, ' ')
    .replace(/[‘’`]/g, "'")
    .replace(/[“”]|``|''/g, '"')
    .replace(/\s+/g, ' ')
    .toLowerCase();
  const found = phrases
    .filter(({ all, none }) => all.every((one) => one.test(words)) && !none?.some((one) => one.test(words)))
    .map(({ spdx }) => spdx);
  return [...found, ...families.flatMap(([family, name, oldest]) => gnuLicenses(words, family, name, oldest))];
}

/** Versions stand within a few words of the name: `version 2 of the License, or (at your option) any later version`. */
function gnuLicenses(words: string, family: string, name: RegExp, oldest: string): string[] {
  const found = new Set<string>();
  let named = false;
  let count = 0;
  for (const match of words.matchAll(name)) {
    count += 1;
    if (count > 200) break;
    named = true;
    const after = words.slice(match.index, match.index + match[0].length + 220);
    const version =
      /common-licenses\/a?l?(?:gpl|gfdl)-(\d(?:\.\d)?)/.exec(after.slice(0, 40))?.[1] ??
      /^[^.]{0,60}?,? (?:version|v\.?) ?(\d(?:\.\d)?)/.exec(after)?.[1] ??
      /^.{0,120}?\b(?:version|v\.?) ?(\d(?:\.\d)?)\b/.exec(after)?.[1];
    if (!version || version === '0') continue;
    // A version is mostly given before the license's location: what follows the location speaks of another notice.
    const later = /any later version|or later|or newer/.test(after);
    const id = `${family}-${version.includes('.') ? version : `${version}.0`}-${later ? 'or-later' : 'only'}`;
    // Not every number near the name is a version of it: "GCC Runtime Library Exception, version 3.1".
    if (isSpdx(id)) found.add(id);
  }
  if (found.size === 0) return named ? [`${family}-${oldest}-or-later`] : [];
  return [...found].filter((one) => !one.endsWith('-only') || !found.has(one.replace(/only$/, 'or-later')));
}
