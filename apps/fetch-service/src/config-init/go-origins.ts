import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Found } from './npm-origins.js';
import { parseHttpUrl, withoutCredentials } from './origin-url.js';
import type { RunProgram } from './run-program.js';

/** What Go on this machine uses, as the section `go` has it. */
export interface GoOrigin {
  readonly proxies: readonly { readonly name: string; readonly url: string }[];
  readonly database: { readonly key: string; readonly url?: string | undefined } | undefined;
  /** Module patterns of GOPRIVATE or GONOSUMDB. */
  readonly unlisted: readonly string[];
}

/** Where Go keeps the keys of databases that it knows by name, below GOROOT. */
const knownKeysFile = 'src/cmd/go/internal/modfetch/key.go';

/** Asks Go for its module proxies and its checksum database, with the key that Go itself has for it. */
export async function findGoOrigins(run: RunProgram): Promise<Found<GoOrigin>> {
  const answer = await run('go', ['env', '-json', 'GOPROXY', 'GOSUMDB', 'GONOSUMDB', 'GOPRIVATE', 'GOROOT']);
  if ('missing' in answer) return { origins: [], notes: ['Go is not installed: no go section'] };
  if ('failure' in answer) {
    return { origins: [], notes: [`Go did not tell its configuration (${answer.failure}): no go section`] };
  }
  const settings = parse(answer.output);
  const notes: string[] = [];
  const proxies = (settings.GOPROXY ?? '').split(/[,|]/).flatMap((text, at) => {
    const url = parseHttpUrl(text.trim());
    return url ? [{ name: at === 0 ? 'default' : `proxy-${at + 1}`, url: withoutCredentials(url) }] : [];
  });
  if (proxies.length === 0) notes.push('Go uses no module proxy (GOPROXY): no go section');
  const database = await findDatabase(settings, notes);
  const unlisted = (settings.GONOSUMDB || settings.GOPRIVATE || '').split(',').filter((pattern) => pattern !== '');
  return { origins: proxies.length > 0 ? [{ proxies, database, unlisted }] : [], notes };
}

/** GOSUMDB: `off`, a name, a key, either with a URL after it. */
async function findDatabase(
  settings: Readonly<Record<string, string>>,
  notes: string[],
): Promise<GoOrigin['database']> {
  const [text = '', place] = (settings.GOSUMDB ?? '').split(/\s+/);
  if (text === '' || text === 'off') {
    notes.push('Go uses no checksum database (GOSUMDB): only modules under go.unlisted can be approved');
    return undefined;
  }
  const key = text.includes('+') ? text : await knownKey(text, settings.GOROOT ?? '');
  if (key === undefined) {
    notes.push(`the key of the checksum database ${text} was not found: add it to go.sum-databases`);
    return undefined;
  }
  const url = place === undefined ? undefined : parseHttpUrl(place);
  return { key, ...(url && { url: withoutCredentials(url) }) };
}

async function knownKey(name: string, goRoot: string): Promise<string | undefined> {
  const source = await readFile(join(goRoot, knownKeysFile), 'utf8').catch(() => '');
  const keys = [...source.matchAll(/"([^"\s+]+\+[0-9a-f]{8}\+[A-Za-z0-9+/=]+)"/g)].map(([, key]) => key as string);
  return keys.find((key) => key.startsWith(`${name}+`));
}

function parse(output: string): Record<string, string> {
  try {
    return { ...(JSON.parse(output) as Record<string, string>) };
  } catch {
    return {};
  }
}
