import { createHash } from 'node:crypto';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { type CraftReport, craftReportSchema } from '@waybill/contracts';

/** Content by path; `craft.yaml` may be an object, because JSON is YAML. */
export type ProjectFiles = Readonly<Record<string, string | Uint8Array | object>>;

/** A project that craft packs. */
export interface CraftProject {
  readonly dir: string;
  at(...names: string[]): string;
  write(files: ProjectFiles): Promise<void>;
  /** Names in the project's directory (or one below) that are no part of what was written, sorted; `.craft` is left out. */
  made(directory?: string): Promise<string[]>;
  read(path: string): Promise<string>;
  sha256(path: string): Promise<string>;
  /** A report, checked against its schema. */
  report(path: string): Promise<CraftReport>;
}

export async function createCraftProject(dir: string, files: ProjectFiles): Promise<CraftProject> {
  const written = new Set<string>(['.craft']);
  const write = async (more: ProjectFiles) => {
    for (const [path, content] of Object.entries(more)) {
      written.add(path.split('/')[0] ?? path);
      await mkdir(dirname(join(dir, path)), { recursive: true });
      const isText = typeof content === 'string' || content instanceof Uint8Array;
      await writeFile(join(dir, path), isText ? content : JSON.stringify(content, null, 2));
    }
  };
  await write(files);
  return {
    dir,
    at: (...names) => join(dir, ...names),
    write,
    made: async (directory = '.') =>
      (await readdir(join(dir, directory)).catch(() => [])).filter((name) => !written.has(name)).sort(),
    read: (path) => readFile(join(dir, path), 'utf8'),
    sha256: async (path) =>
      createHash('sha256')
        .update(await readFile(join(dir, path)))
        .digest('hex'),
    report: async (path) => craftReportSchema.parse(JSON.parse(await readFile(join(dir, path), 'utf8'))),
  };
}

/** `craft.yaml` of a project with one part a platform of this machine's architecture; `more` replaces keys. */
export function craftYaml(parts: Readonly<Record<string, object>>, more: object = {}): object {
  return {
    name: 'sample',
    version: '1.0',
    summary: 'A sample',
    license: 'Apache-2.0',
    platforms: { here: { 'build-on': hostArchitecture(), 'build-for': hostArchitecture() } },
    parts,
    ...more,
  };
}

/** Debian's name of this machine's architecture. */
export function hostArchitecture(): string {
  const names: Partial<Record<NodeJS.Architecture, string>> = { x64: 'amd64', arm64: 'arm64', riscv64: 'riscv64' };
  return names[process.arch] ?? process.arch;
}

/** A part that runs a script in its build step. */
export function script(text: string, more: object = {}): object {
  return { plugin: 'nil', 'override-build': text, ...more };
}
