/** One source of packages as apt's configuration states it. @see sources.list(5) */
export interface AptSource {
  readonly uris: readonly string[];
  readonly suites: readonly string[];
  readonly components: readonly string[];
  /** Files named by Signed-By, in order. */
  readonly keyFiles: readonly string[];
  /** Armored keys that stand in the source itself. */
  readonly inlineKeys: string | undefined;
  /** Fingerprints that Signed-By asks for. */
  readonly fingerprints: readonly string[];
  /** `[trusted=yes]`: nothing is verified. */
  readonly isTrusted: boolean;
}

/** One-line style (`*.list`). Lines that are no source are left out, as apt's comments are. */
export function parseSourcesList(text: string): AptSource[] {
  return text.split('\n').flatMap((line) => {
    const match = /^\s*deb\s+(?:\[([^\]]*)\]\s+)?(\S+)\s+(\S+)([^#]*)/.exec(line);
    if (!match) return [];
    const [, options = '', uri = '', suite = '', rest = ''] = match;
    const named = new Map(
      options.split(/\s+/).flatMap((option): [string, string][] => {
        const equals = option.indexOf('=');
        return equals < 0
          ? []
          : [[option.slice(0, equals).replace(/[+-]$/, '').toLowerCase(), option.slice(equals + 1)]];
      }),
    );
    return [
      {
        uris: [uri],
        suites: [suite],
        components: words(rest),
        ...signedBy((named.get('signed-by') ?? '').replaceAll(',', ' ')),
        isTrusted: isYes(named.get('trusted')),
      },
    ];
  });
}

/** deb822 style (`*.sources`). Disabled stanzas and those without binary packages are left out. */
export function parseDeb822Sources(text: string): AptSource[] {
  return stanzas(text).flatMap((fields) => {
    if (!words(fields.get('types')).includes('deb')) return [];
    if (fields.has('enabled') && !isYes(fields.get('enabled'))) return [];
    return [
      {
        uris: words(fields.get('uris')),
        suites: words(fields.get('suites')),
        components: words(fields.get('components')),
        ...signedBy(fields.get('signed-by') ?? ''),
        isTrusted: isYes(fields.get('trusted')),
      },
    ];
  });
}

/** Paragraphs as maps from lower-case field name to value; continuation lines keep their breaks, ` .` is an empty one. */
function stanzas(text: string): Map<string, string>[] {
  const found: Map<string, string>[] = [];
  let current: Map<string, string> | undefined;
  let field: string | undefined;
  for (const line of text.replaceAll('\r\n', '\n').split('\n')) {
    if (line.startsWith('#')) continue;
    if (line.trim() === '') {
      current = undefined;
      field = undefined;
      continue;
    }
    if (/^\s/.test(line)) {
      const value = line.trim() === '.' ? '' : line.trim();
      if (current && field) current.set(field, `${current.get(field)}\n${value}`);
      continue;
    }
    const match = /^([!-9;-~]+):\s*(.*)$/.exec(line);
    if (!match) continue;
    if (!current) {
      current = new Map();
      found.push(current);
    }
    field = (match[1] ?? '').toLowerCase();
    current.set(field, (match[2] ?? '').trim());
  }
  return found;
}

function signedBy(value: string): Pick<AptSource, 'keyFiles' | 'inlineKeys' | 'fingerprints'> {
  if (value.includes('BEGIN PGP PUBLIC KEY')) return { keyFiles: [], inlineKeys: value.trim(), fingerprints: [] };
  const parts = words(value.replaceAll(',', ' '));
  return {
    keyFiles: parts.filter((part) => part.startsWith('/')),
    inlineKeys: undefined,
    fingerprints: parts.filter((part) => /^[0-9A-Fa-f]{8,}!?$/.test(part)),
  };
}

function words(text: string | undefined): string[] {
  return (text ?? '').split(/\s+/).filter((word) => word !== '');
}

function isYes(text: string | undefined): boolean {
  return /^(yes|true|on|1|with|enable)$/i.test(text ?? '');
}
