import parse from 'spdx-expression-parse';

/** Short names that Debian uses and SPDX spells otherwise, in lower case. */
const names: Readonly<Record<string, string>> = {
  expat: 'MIT',
  'mit/x11': 'MIT',
  'mit-style': 'MIT',
  'bsd-4-clause': 'BSD-4-Clause',
  'bsd-4-clause-uc': 'BSD-4-Clause-UC',
  'bsd-3-clause': 'BSD-3-Clause',
  'bsd-3': 'BSD-3-Clause',
  'bsd-2-clause': 'BSD-2-Clause',
  'bsd-2': 'BSD-2-Clause',
  'bsd-1-clause': 'BSD-1-Clause',
  '0bsd': '0BSD',
  apache: 'Apache-2.0',
  'apache-2': 'Apache-2.0',
  'apache-2-llvm-exceptions': 'Apache-2.0 WITH LLVM-exception',
  'apache-2.0-with-llvm-exceptions': 'Apache-2.0 WITH LLVM-exception',
  'artistic-1': 'Artistic-1.0',
  'artistic-2': 'Artistic-2.0',
  artistic: 'Artistic-1.0-Perl',
  boost: 'BSL-1.0',
  'boost-1.0': 'BSL-1.0',
  bsl: 'BSL-1.0',
  'bsl-1': 'BSL-1.0',
  cc0: 'CC0-1.0',
  'cc0-1': 'CC0-1.0',
  'cc-by-sa-4': 'CC-BY-SA-4.0',
  'cc-by-4': 'CC-BY-4.0',
  eclipse: 'EPL-1.0',
  'epl-1': 'EPL-1.0',
  'epl-2': 'EPL-2.0',
  hpnd: 'HPND',
  icu: 'ICU',
  ijg: 'IJG',
  isc: 'ISC',
  libpng: 'Libpng',
  lppl: 'LPPL-1.3c',
  'mpl-1': 'MPL-1.0',
  'mpl-1.1': 'MPL-1.1',
  'mpl-2': 'MPL-2.0',
  openssl: 'OpenSSL',
  pd: 'LicenseRef-public-domain',
  perl: 'GPL-1.0-or-later OR Artistic-1.0-Perl',
  postgresql: 'PostgreSQL',
  psf: 'PSF-2.0',
  'psf-2': 'PSF-2.0',
  'python-2.0': 'Python-2.0',
  ruby: 'Ruby',
  'sil-1.1': 'OFL-1.1',
  'ofl-1.1': 'OFL-1.1',
  tcl: 'TCL',
  unicode: 'Unicode-DFS-2016',
  unlicense: 'Unlicense',
  w3c: 'W3C',
  wtfpl: 'WTFPL',
  x11: 'X11',
  zlib: 'Zlib',
  zpl: 'ZPL-2.1',
  'zpl-2.1': 'ZPL-2.1',
};

/** Families whose `-N`, `-N+` SPDX spells `-N.0-only`, `-N.0-or-later`. */
const gnu = /^(a?gpl|lgpl|gfdl)(-niv)?(?:-?v?)(\d+(?:\.\d+)*)?(\+|-or-later|-only)?(-niv)?$/;

/** Names of exceptions as SPDX spells them, by a word of Debian's. */
const exceptions: readonly (readonly [RegExp, string])[] = [
  [/autoconf.*macro/, 'Autoconf-exception-macro'],
  [/autoconf/, 'Autoconf-exception-3.0'],
  [/bison/, 'Bison-exception-2.2'],
  [/classpath/, 'Classpath-exception-2.0'],
  [/font/, 'Font-exception-2.0'],
  [/gcc|runtime/, 'GCC-exception-3.1'],
  [/libtool/, 'Libtool-exception'],
  [/linux-syscall/, 'Linux-syscall-note'],
  [/llvm/, 'LLVM-exception'],
];

/**
 * SPDX expression of a license field of DEP-5: short names joined by `and`, `or` and commas, `with … exception`. What SPDX
 * does not know becomes a `LicenseRef-`; empty for an empty field.
 */
export function spdxOfShortName(field: string): string {
  const text = field.trim();
  if (text === '' || text.length > 1_000) return '';
  // A comma binds weaker than `and`/`or`: "GPL-2+ or Artistic-2.0, and BSD-3-clause".
  const parts = text.split(/\s*,\s*(?:and\s+)?/i).filter(Boolean);
  const clauses = parts.map((part) =>
    joinAlternatives(part, / or /i, 'OR', (side) => joinAlternatives(side, / and /i, 'AND', simple)),
  );
  if (clauses.length === 1) return clauses[0] ?? '';
  return clauses.map((clause) => (/ OR /.test(clause) ? `(${clause})` : clause)).join(' AND ');
}

function joinAlternatives(text: string, by: RegExp, word: string, each: (side: string) => string): string {
  return text.split(by).map(each).filter(Boolean).join(` ${word} `);
}

function simple(text: string): string {
  const [, name = '', exception] = /^(.*?)(?:[\s-]+with[\s-]+(.+))?$/i.exec(text.trim()) ?? [];
  const license = license1(name.trim());
  if (exception === undefined) return license;
  const known = exceptions.find(([word]) => word.test(exception.toLowerCase()))?.[1];
  const expression = known && `${license} WITH ${known}`;
  return expression && isSpdx(expression) ? expression : reference(text);
}

function named(lower: string): string | undefined {
  return Object.hasOwn(names, lower) ? names[lower] : undefined;
}

function license1(name: string): string {
  if (name === '') return '';
  const lower = name.toLowerCase();
  if (/^public[- ]domain$/.test(lower)) return 'LicenseRef-public-domain';
  const known = named(lower) ?? named(lower.replace(/\.0$/, ''));
  if (known) return known.includes(' OR ') ? `(${known})` : known;
  const copyleft = gnu.exec(lower);
  if (copyleft) {
    const spdx = spellGnu(copyleft);
    if (isSpdx(spdx)) return spdx;
  }
  return isSpdx(name) ? name : reference(name);
}

function spellGnu([, family = '', niv, version, later, invariants = niv]: RegExpExecArray): string {
  if (version === undefined)
    return `${family.toUpperCase()}-${family === 'lgpl' ? '2.0' : family === 'agpl' ? '3.0' : '1.0'}-or-later`;
  const number = version.includes('.') ? version.replace(/^(\d+\.\d+)\.0$/, '$1') : `${version}.0`;
  const suffix = later === '+' || later === '-or-later' ? 'or-later' : 'only';
  const middle = invariants ? '-no-invariants' : '';
  return `${family.toUpperCase()}-${family === 'gfdl' && version === '1.0' ? '1.1' : number}${middle}-${suffix}`;
}

/** Whether the text is a valid SPDX expression. */
export function isSpdx(expression: string): boolean {
  try {
    parse(expression);
    return true;
  } catch {
    return false;
  }
}

/** A name of its own for what SPDX does not know. */
function reference(name: string): string {
  const safe = name
    .replace(/[^A-Za-z0-9.]+/g, '-')
    .replace(/^-+|-+$/g, '')
    .slice(0, 80);
  return safe === '' ? '' : `LicenseRef-${safe}`;
}
