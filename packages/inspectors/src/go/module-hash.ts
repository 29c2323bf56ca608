import { createHash } from 'node:crypto';
import type { Readable } from 'node:stream';
import { ArchiveError, type ArchiveLimits } from '../archive/expand.js';
import { walkZip, type ZipSource } from '../archive/zip.js';

/** What a module's zip holds. */
export interface ModuleZip {
  /** `h1:<base64>`. */
  readonly sum: string;
  /** Its go.mod; zips of modules from before go.mod have none. */
  readonly goMod: Buffer | undefined;
  /** Texts of files in the module's directory that are called like a license. */
  readonly licenses: readonly string[];
}

const goModBytes = 16 * 2 ** 20;
const licenseBytes = 256 * 1024;
const mostLicenses = 10;
const licenseName = /^(licen[cs]e|copying|unlicense)([.-][\w.-]+)?$/i;

/**
 * Hashes the files of a module's zip as go.sum does: sha256 over the sorted lines `<sha256 of the file>  <name>`.
 * @throws ArchiveError also for members outside of `<module>@<version>/`
 * @see https://pkg.go.dev/golang.org/x/mod/sumdb/dirhash Hash1
 */
export async function hashModuleZip(
  source: ZipSource,
  prefix: string,
  options: { readonly limits: ArchiveLimits; readonly signal: AbortSignal },
): Promise<ModuleZip> {
  const lines: [name: string, line: string][] = [];
  const licenses: string[] = [];
  let goMod: Buffer | undefined;
  await walkZip(
    source,
    async (member) => {
      const { path } = member;
      if (!path.startsWith(prefix)) {
        throw new ArchiveError(`the archive has a member outside of ${prefix}: ${JSON.stringify(path.slice(0, 200))}`);
      }
      if (path.endsWith('/'))
        throw new ArchiveError(`the archive has a directory: ${JSON.stringify(path.slice(0, 200))}`);
      if (path.includes('\n')) throw new ArchiveError('the archive has a name with a line feed');
      const name = path.slice(prefix.length);
      const isGoMod = name === 'go.mod';
      if (isGoMod) goMod = await member.read(goModBytes);
      else if (name.toLowerCase() === 'go.mod') throw new ArchiveError('the archive has a go.mod in another spelling');
      const isLicense = licenseName.test(name) && licenses.length < mostLicenses && member.size <= licenseBytes;
      const text = isLicense ? await member.read(licenseBytes) : undefined;
      if (text) licenses.push(text.toString('utf8'));
      const whole = isGoMod ? goMod : text;
      lines.push([path, `${whole ? hex(whole) : await digestOf(await member.open())}  ${path}\n`]);
    },
    options,
  );
  lines.sort(([a], [b]) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
  return { sum: `h1:${base64(lines.map(([, line]) => line).join(''))}`, goMod, licenses };
}

/** The checksum that go.sum gives for a go.mod alone. */
export function hashGoMod(bytes: Uint8Array): string {
  return `h1:${base64(`${hex(bytes)}  go.mod\n`)}`;
}

/** The path that a go.mod gives its module; undefined when it gives none. */
export function modulePathOf(goMod: Uint8Array): string | undefined {
  for (const line of Buffer.from(goMod).toString('utf8').split('\n', 10_000)) {
    const text = (line.split('//', 1)[0] ?? '').trim();
    const [, path] =
      /^module\s+(?:"([^"\s]+)"|`([^`\s]+)`|(\S+))$/.exec(text)?.filter((part) => part !== undefined) ?? [];
    if (path !== undefined) return path;
    if (/^module\s*\($/.test(text)) return undefined;
  }
  return undefined;
}

async function digestOf(content: Readable): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of content as AsyncIterable<Buffer>) hash.update(chunk);
  return hash.digest('hex');
}

function hex(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

function base64(text: string): string {
  return createHash('sha256').update(text).digest('base64');
}
