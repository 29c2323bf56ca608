/** A file of an index by its name. */
export interface PythonFile {
  readonly kind: 'wheel' | 'sdist' | 'metadata';
  /** As written, without `.metadata`. */
  readonly name: string;
  /** Projects that it may be of, normalised; a source archive's name does not tell where the version begins. */
  readonly candidates: readonly { readonly project: string; readonly version: string }[];
}

/** The one spelling of a project's name. PEP 503 */
export function normalizeName(name: string): string {
  return name.replace(/[-_.]+/g, '-').toLowerCase();
}

/** Whether two versions are the same but for spelling: case, leading `v`, separators and trailing zeros. PEP 440 */
export function isSameVersion(a: string, b: string): boolean {
  return plainVersion(a) === plainVersion(b);
}

function plainVersion(version: string): string {
  const [release = '', ...local] = version.trim().toLowerCase().replace(/^v/, '').split('+');
  const plain = release
    .replace(/[-_.]?(alpha|beta|preview|pre|rc|a|b|c)[-_.]?(\d*)/g, (_, tag: string, number: string) => {
      const short = { alpha: 'a', beta: 'b', c: 'rc', pre: 'rc', preview: 'rc' }[tag] ?? tag;
      return `${short}${Number(number || 0)}`;
    })
    .replace(/[-_.]?(post|rev|r)[-_.]?(\d*)$/, (_, _tag: string, number: string) => `.post${Number(number || 0)}`)
    .replace(/^([\d.]+)-(\d+)$/, '$1.post$2')
    .replace(/[-_.]?dev[-_.]?(\d*)/, (_, number: string) => `.dev${Number(number || 0)}`)
    .replace(/^([\d.!]+)/, (numbers) =>
      numbers
        .split('.')
        .map(plainNumber)
        .join('.')
        .replace(/(\.0)+$/, ''),
    );
  return [plain, ...local.map((text) => text.replace(/[-_]/g, '.'))].join('+');
}

function plainNumber(text: string): string {
  return /^\d+$/.test(text) ? text.replace(/^0+(?=\d)/, '') : text;
}

const wheel = /^([A-Za-z0-9](?:[\w.]*[A-Za-z0-9])?)-([^-]+)(?:-\d[^-]*)?-[^-]+-[^-]+-[^-]+\.whl$/;
const sdist = /^(.+)\.(?:tar\.gz|tgz|zip|tar\.bz2)$/;

/**
 * Reads a file's name; undefined for what is neither wheel, source archive nor metadata of one.
 * @see PEP 427, PEP 625, PEP 658
 */
export function parseFileName(text: string): PythonFile | undefined {
  if (text.length > 512 || /[/\\\0]/.test(text)) return undefined;
  if (text.endsWith('.metadata')) {
    const file = parseFileName(text.slice(0, -'.metadata'.length));
    return file && file.kind !== 'metadata' ? { ...file, kind: 'metadata' } : undefined;
  }
  const [, distribution, version] = wheel.exec(text) ?? [];
  if (distribution !== undefined && version !== undefined) {
    const candidates = [{ project: normalizeName(distribution), version: version.replaceAll('_', '-') }];
    return { kind: 'wheel', name: text, candidates };
  }
  const [, stem] = sdist.exec(text) ?? [];
  if (stem === undefined) return undefined;
  const candidates = [...stem.matchAll(/-(?=v?\d)/g)].slice(0, 20).map(({ index }) => ({
    project: normalizeName(stem.slice(0, index)),
    version: stem.slice(index + 1),
  }));
  return candidates.length > 0 ? { kind: 'sdist', name: text, candidates } : undefined;
}
