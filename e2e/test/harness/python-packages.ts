import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { FileUpstream } from './file-upstream.js';
import { sha256 } from './report.js';
import { run } from './run.js';

/** What setuptools made of one project. */
export interface BuiltPython {
  readonly name: string;
  readonly wheel: BuiltFile;
  readonly sdist: BuiltFile;
  /** METADATA of the wheel, as PEP 658 serves it. */
  readonly metadata: Buffer;
}

export interface BuiltFile {
  readonly file: string;
  readonly bytes: Buffer;
}

export interface PythonProject {
  readonly name: string;
  readonly version: string;
  readonly requires?: readonly string[];
  /** What the module's `value` is. */
  readonly value?: string;
}

/**
 * A Python that installs and builds.
 * @throws Error where there is none
 */
export async function findPython(): Promise<string> {
  for (const python of ['python3', '/usr/bin/python3']) {
    const ran = await run(python, ['-c', 'import setuptools, wheel, pip']).catch(() => undefined);
    if (ran?.code === 0) return python;
  }
  throw new Error('no Python with pip, setuptools and wheel: tooling/ci/packages.sh installs one');
}

/** setuptools' own PEP 517 hooks, as `build` and pip call them. */
const hooks = `
import sys, zipfile, glob
from setuptools import build_meta
out = sys.argv[1]
build_meta.build_sdist(out)
wheel = out + '/' + build_meta.build_wheel(out)
with zipfile.ZipFile(wheel) as archive:
    name = next(name for name in archive.namelist() if name.endswith('.dist-info/METADATA'))
    open(wheel + '.metadata', 'wb').write(archive.read(name))
`;

/** @param dir does not exist yet */
export async function buildPython(python: string, dir: string, project: PythonProject): Promise<BuiltPython> {
  const { name, version, requires = [], value = name } = project;
  const out = join(dir, 'out');
  await mkdir(out, { recursive: true });
  const fields = { name, version, description: `${name} of a test`, license: { text: 'MIT' }, dependencies: requires };
  const lines = [
    '[build-system]',
    'requires = ["setuptools"]',
    'build-backend = "setuptools.build_meta"',
    '[project]',
    ...Object.entries(fields).map(([key, field]) => `${key} = ${toml(field)}`),
    '[tool.setuptools]',
    `py-modules = [${toml(name)}]`,
  ];
  await writeFile(join(dir, 'pyproject.toml'), `${lines.join('\n')}\n`);
  await writeFile(join(dir, `${name}.py`), `value = ${JSON.stringify(value)}\n`);
  const ran = await run(python, ['-c', hooks, out], { cwd: dir });
  if (ran.code !== 0) throw new Error(`setuptools built no ${name}:\n${ran.stderr}`);
  const files = await readdir(out);
  const take = async (ending: string): Promise<BuiltFile> => {
    const file = files.find((candidate) => candidate.endsWith(ending)) ?? '';
    return { file, bytes: await readFile(join(out, file)) };
  };
  return {
    name,
    wheel: await take('.whl'),
    sdist: await take('.tar.gz'),
    metadata: (await take('.metadata')).bytes,
  };
}

/** Publishes projects as two indexes of the same files: `/html/` (PEP 503) and `/json/` (PEP 691), both with PEP 658 metadata. */
export function publishPython(upstream: FileUpstream, built: readonly BuiltPython[]): void {
  for (const { name, wheel, sdist, metadata } of built) {
    for (const { file, bytes } of [wheel, sdist]) upstream.put(`/files/${file}`, bytes);
    upstream.put(`/files/${wheel.file}.metadata`, metadata);
    const core = sha256(metadata);
    const attributes = `data-dist-info-metadata="sha256=${core}" data-core-metadata="sha256=${core}"`;
    const link = ({ file, bytes }: BuiltFile, more = '') =>
      `<a href="/files/${file}#sha256=${sha256(bytes)}" ${more}>${file}</a><br/>\n`;
    upstream.put(
      `/html/${name}/`,
      `<!DOCTYPE html>\n<html><body>\n${link(wheel, attributes)}${link(sdist)}</body></html>\n`,
      'text/html',
    );
    const entry = ({ file, bytes }: BuiltFile) => ({
      filename: file,
      url: `${upstream.origin}/files/${file}`,
      hashes: { sha256: sha256(bytes) },
      size: bytes.length,
    });
    const page = {
      meta: { 'api-version': '1.1' },
      name,
      versions: [...new Set([wheel, sdist].map(({ file }) => /-([\d.]+\d)/.exec(file)?.[1] ?? ''))],
      // PEP 714: older pips stumble over the name of PEP 658 in JSON.
      files: [{ ...entry(wheel), 'core-metadata': { sha256: core } }, entry(sdist)],
    };
    upstream.put(`/json/${name}/`, JSON.stringify(page), 'application/vnd.pypi.simple.v1+json');
  }
}

function toml(value: unknown): string {
  return Array.isArray(value) || typeof value === 'string'
    ? JSON.stringify(value)
    : `{ ${Object.entries(value as object)
        .map(([key, field]) => `${key} = ${toml(field)}`)
        .join(', ')} }`;
}
