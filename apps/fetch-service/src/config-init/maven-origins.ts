import { readdir, readFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { text as readText } from 'node:stream/consumers';
import { openPromise } from 'yauzl';
import type { Found } from './npm-origins.js';
import { parseHttpUrl, withoutCredentials } from './origin-url.js';
import type { RunProgram } from './run-program.js';

/** A repository that Maven on this machine uses. */
export interface MavenOrigin {
  readonly name: string;
  readonly url: string;
}

/** The model that every project inherits, in a jar of Maven's own. */
const superModel = 'org/apache/maven/model/pom-4.0.0.xml';

/**
 * Maven's central repository stands in a jar of its own; mirrors and further repositories in the settings of Maven and of the
 * user. Gradle uses the same central one unless a build says otherwise.
 */
export async function findMavenOrigins(
  run: RunProgram,
  environment: Readonly<Record<string, string | undefined>> = process.env,
): Promise<Found<MavenOrigin>> {
  const version = await run('mvn', ['--version']);
  if (!('output' in version)) return { origins: [], notes: ['Maven is not installed: no maven section'] };
  const notes: string[] = [];
  const home = /^Maven home: (.+)$/m.exec(version.output)?.[1]?.trim() ?? '';
  const found = new Map<string, string>();
  for (const [id, url] of repositoriesIn(await readSuperModel(home))) found.set(id, url);
  const user = join(environment.HOME ?? homedir(), '.m2', 'settings.xml');
  for (const file of [join(home, 'conf', 'settings.xml'), user]) {
    const settings = withoutComments(await readFile(file, 'utf8').catch(() => ''));
    for (const [id, url] of repositoriesIn(settings)) found.set(id, url);
    for (const [, mirror = ''] of settings.matchAll(/<mirror>([\s\S]*?)<\/mirror>/g)) {
      const [id, url, of] = [value(mirror, 'id'), value(mirror, 'url'), value(mirror, 'mirrorOf')];
      if (!url || !of) continue;
      const patterns = of.split(',').map((pattern) => pattern.trim());
      for (const known of [...found.keys()]) {
        const isMirrored =
          patterns.includes(known) ||
          (patterns.some((pattern) => /^(external:(http:)?)?\*$/.test(pattern)) && !patterns.includes(`!${known}`));
        // Maven blocks repositories over plain http with a mirror that leads nowhere.
        if (isMirrored && !(/external:http/.test(of) && found.get(known)?.startsWith('https:'))) found.delete(known);
      }
      if (!/^https?:\/\/0\.0\.0\.0/.test(url)) found.set(id || 'mirror', url);
    }
  }
  const origins = [...found].flatMap(([name, text]) => {
    const url = parseHttpUrl(text);
    if (!url) notes.push(`Maven's repository ${name} is not an http or https URL: left out`);
    return url ? [{ name, url: withoutCredentials(url).replace(/\/*$/, '/') }] : [];
  });
  if (origins.length === 0) notes.push('no repository of Maven was found: add yours to maven.repositories');
  return { origins, notes };
}

async function readSuperModel(home: string): Promise<string> {
  const library = join(home, 'lib');
  const jars = await readdir(library).catch(() => [] as string[]);
  const jar =
    jars.find((name) => /^maven-model-builder-[\d.]+(-[\w.-]+)?\.jar$/.test(name)) ??
    jars.find((name) => /^maven3?-model-builder.*\.jar$/.test(name));
  if (jar === undefined) return '';
  const zip = await openPromise(join(library, jar), { autoClose: false }).catch(() => undefined);
  if (!zip) return '';
  try {
    for await (const entry of zip.eachEntry()) {
      if (entry.fileName === superModel) return withoutComments(await readText(await zip.openReadStreamPromise(entry)));
    }
  } catch {
    // A jar that cannot be read names no repository.
  } finally {
    zip.close();
  }
  return '';
}

function repositoriesIn(xml: string): [id: string, url: string][] {
  return [...xml.matchAll(/<(repository|pluginRepository)>([\s\S]*?)<\/\1>/g)].flatMap(([, , text = '']) => {
    const [id, url] = [value(text, 'id'), value(text, 'url')];
    return id && url ? [[id, url] as [string, string]] : [];
  });
}

function value(xml: string, element: string): string {
  return (new RegExp(`<${element}>\\s*([^<]*?)\\s*</${element}>`).exec(xml)?.[1] ?? '').replaceAll('&amp;', '&');
}

function withoutComments(xml: string): string {
  return xml.replace(/<!--[\s\S]*?-->/g, '');
}
