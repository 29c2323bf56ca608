import { createHash } from 'node:crypto';
import { cp, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { type AptSigningKey, createAptSigningKey } from './apt-key.js';
import { mustRun } from './program.js';

/** A package to build with dpkg-deb. */
export interface AptPackage {
  readonly name: string;
  readonly version: string;
  /** `amd64`, `all`, … */
  readonly arch: string;
  readonly depends?: string;
  /** Default `main`. */
  readonly component?: string;
  /** Suites that hold it. Default all. */
  readonly suites?: readonly string[];
  readonly source?: string;
  readonly section?: string;
  readonly maintainer?: string;
  /** First line, then the long description. */
  readonly description?: string;
  /** Content by path below `/`. A copyright file is added when there is none. */
  readonly files?: Readonly<Record<string, string | Uint8Array>>;
  /** As dpkg-deb's -Z takes it. Default `xz`. */
  readonly compression?: 'xz' | 'gzip' | 'zstd' | 'none';
}

export interface AptRepositoryOptions {
  /** Becomes the repository's base: `dists/` and `pool/` are made in it. */
  readonly dir: string;
  /** Default `['stable']`. */
  readonly suites?: readonly string[];
  /** Default `['main']`. */
  readonly components?: readonly string[];
  /** Default `['amd64']`. */
  readonly architectures?: readonly string[];
  readonly packages: readonly AptPackage[];
  /** Default a new key, which `close` then removes. */
  readonly key?: AptSigningKey;
  /** `Date` of the releases. Default now. */
  readonly date?: Date;
  readonly validUntil?: Date;
  /** Fields of the Release files to set, or to leave out (undefined). */
  readonly releaseFields?: Readonly<Record<string, string | undefined>>;
  /** Further indexes by path below `dists/<suite>`, e.g. `main/dep11/Components-amd64.yml`; plain, gz and xz, as the others. */
  readonly indexes?: Readonly<Record<string, string>>;
  /** Digest sections beside SHA256. Default MD5Sum only, as Debian's archive has it. */
  readonly sections?: readonly ('MD5Sum' | 'SHA1' | 'SHA512')[];
}

export interface BuiltAptRepository {
  readonly dir: string;
  readonly publicKeyArmor: string;
  readonly key: AptSigningKey;
  /** Paths of the packages below `dir`, e.g. `pool/main/h/hello/hello_1.0_amd64.deb`. */
  readonly debs: readonly string[];
  /** Every file below `dir`, sorted. */
  files(): Promise<string[]>;
  /** Signs a suite's Release file again after a change to it. */
  sign(suite: string): Promise<void>;
  /** Removes the key, unless it was given; the files stay. */
  close(): Promise<void>;
}

/** Builds a signed repository with the real dpkg-deb, apt-ftparchive, xz and gpg. */
export async function buildAptRepository(options: AptRepositoryOptions): Promise<BuiltAptRepository> {
  const { dir, suites = ['stable'], packages } = options;
  const key = options.key ?? (await createAptSigningKey());
  const debs: string[] = [];
  for (const item of packages) debs.push(await buildPackage(dir, item));
  for (const suite of suites) await buildSuite(options, suite);
  const sign = (suite: string) => signSuite(dir, suite, key);
  for (const suite of suites) await sign(suite);
  return {
    dir,
    key,
    publicKeyArmor: key.publicKeyArmor,
    debs,
    sign,
    files: async () => (await filesBelow(dir)).sort(),
    close: () => (options.key ? Promise.resolve() : key.remove()),
  };
}

async function buildPackage(dir: string, item: AptPackage): Promise<string> {
  const { name, version, arch, component = 'main', compression = 'xz' } = item;
  const fileVersion = version.replace(/^\d+:/, '');
  const path = `pool/${component}/${name[0]}/${name}/${name}_${fileVersion}_${arch}.deb`;
  const root = await mkdtemp(join(tmpdir(), 'wb-deb-'));
  try {
    const files = { [`usr/share/doc/${name}/copyright`]: 'License: public domain\n', ...item.files };
    for (const [file, content] of Object.entries({ ...files, 'DEBIAN/control': controlFile(item) })) {
      await mkdir(dirname(join(root, file)), { recursive: true });
      await writeFile(join(root, file), content);
    }
    await mkdir(dirname(join(dir, path)), { recursive: true });
    await mustRun('dpkg-deb', ['--root-owner-group', `-Z${compression}`, '--build', root, join(dir, path)]);
    return path;
  } finally {
    await rm(root, { recursive: true, force: true });
  }
}

function controlFile(item: AptPackage): string {
  const [first = 'test package', ...more] = (item.description ?? `test package ${item.name}`).split('\n');
  const fields: [string, string | undefined][] = [
    ['Package', item.name],
    ['Source', item.source],
    ['Version', item.version],
    ['Architecture', item.arch],
    ['Maintainer', item.maintainer ?? 'Test Maintainer <maintainer@deb.registry.example>'],
    ['Section', item.section ?? 'misc'],
    ['Priority', 'optional'],
    ['Depends', item.depends],
    ['Description', [first, ...more.map((line) => ` ${line || '.'}`)].join('\n')],
  ];
  return fields.map(([name, value]) => (value === undefined ? '' : `${name}: ${value}\n`)).join('');
}

async function buildSuite(options: AptRepositoryOptions, suite: string): Promise<void> {
  const { dir, components = ['main'], architectures = ['amd64'], packages } = options;
  const dists = join(dir, 'dists', suite);
  for (const component of components) {
    const chosen = packages.filter(
      (item) => (item.component ?? 'main') === component && (item.suites ?? [suite]).includes(suite),
    );
    for (const arch of architectures) {
      const paragraphs = await describePackages(
        dir,
        chosen.filter((item) => item.arch === arch || item.arch === 'all'),
      );
      await writeIndex(join(dists, component, `binary-${arch}`, 'Packages'), paragraphs);
      await writeIndex(join(dists, component, 'cnf', `Commands-${arch}`), commandsFile(suite, component, arch, chosen));
    }
    await writeIndex(join(dists, component, 'i18n', 'Translation-en'), chosen.map(translation).join(''));
  }
  for (const [path, content] of Object.entries(options.indexes ?? {})) {
    await writeIndex(join(dists, path), content);
  }
  await writeRelease(options, suite);
  await copyByHash(dists);
}

/** What apt-ftparchive says of these packages only. */
async function describePackages(dir: string, chosen: readonly AptPackage[]): Promise<string> {
  const parts: string[] = [];
  for (const { name, version, arch, component = 'main' } of chosen) {
    const folder = `pool/${component}/${name[0]}/${name}`;
    const all = await mustRun('apt-ftparchive', ['-q', 'packages', folder], { cwd: dir });
    const file = `${name}_${version.replace(/^\d+:/, '')}_${arch}.deb`;
    parts.push(...all.split(/\n\n+/).filter((paragraph) => paragraph.includes(`\nFilename: ${folder}/${file}\n`)));
  }
  return parts.map((paragraph) => `${paragraph.trim()}\n\n`).join('');
}

/** Plain, gz and xz, as archives have them. */
async function writeIndex(path: string, text: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, text);
  await writeFile(`${path}.gz`, gzipSync(text));
  await mustRun('xz', ['--keep', '--force', path]);
}

function commandsFile(suite: string, component: string, arch: string, chosen: readonly AptPackage[]): string {
  const entries = chosen
    .filter((item) => item.arch === arch || item.arch === 'all')
    .flatMap(({ name, version, files = {} }) => {
      const commands = Object.keys(files).filter((file) => /^usr\/s?bin\//.test(file));
      const names = commands.map((file) => file.replace(/^.*\//, ''));
      return names.length > 0 ? [`name: ${name}\nversion: ${version}\ncommands: ${names.join(',')}\n\n`] : [];
    });
  return `suite: ${suite}\ncomponent: ${component}\narch: ${arch}\n\n${entries.join('')}`;
}

function translation({ name, description }: AptPackage): string {
  const text = description ?? `test package ${name}`;
  const md5 = createHash('md5').update(`${text}\n`).digest('hex');
  const [first, ...more] = text.split('\n');
  const lines = [first, ...more.map((line) => ` ${line || '.'}`)].join('\n');
  return `Package: ${name}\nDescription-md5: ${md5}\nDescription-en: ${lines}\n\n`;
}

async function writeRelease(options: AptRepositoryOptions, suite: string): Promise<void> {
  const { dir, components = ['main'], architectures = ['amd64'], date = new Date(), validUntil } = options;
  const sections: readonly string[] = ['SHA256', ...(options.sections ?? ['MD5Sum'])];
  const fields: Record<string, string | undefined> = {
    Origin: 'Test',
    Label: 'Test Archive',
    Suite: suite,
    Version: '1.0',
    Codename: suite,
    Architectures: architectures.join(' '),
    Components: components.join(' '),
    Description: `Test Archive ${suite}`,
    'Acquire-By-Hash': 'yes',
    Date: date.toUTCString().replace('GMT', 'UTC'),
    'Valid-Until': validUntil?.toUTCString().replace('GMT', 'UTC'),
    ...options.releaseFields,
  };
  // By default it leaves out Commands files and what else archives have learned to list since.
  const everything = ['Default-Patterns=false', 'Patterns::=*'].flatMap((o) => [
    '-o',
    `APT::FTPArchive::Release::${o}`,
  ]);
  const listing = await mustRun('apt-ftparchive', ['-q', ...everything, 'release', `dists/${suite}`], { cwd: dir });
  const kept = listing.split(/^(?=\S)/m).filter((field) => sections.some((section) => field.startsWith(`${section}:`)));
  const header = Object.entries(fields).map(([name, value]) => (value === undefined ? '' : `${name}: ${value}\n`));
  await writeFile(join(dir, 'dists', suite, 'Release'), header.join('') + kept.join(''));
}

async function copyByHash(dists: string): Promise<void> {
  for (const path of await filesBelow(dists)) {
    if (/(^|\/)Release$/.test(path) || path.includes('/by-hash/')) continue;
    const content = await readFile(join(dists, path));
    for (const [algorithm, name] of [
      ['sha256', 'SHA256'],
      ['sha512', 'SHA512'],
    ] as const) {
      const hex = createHash(algorithm).update(content).digest('hex');
      const folder = join(dists, dirname(path), 'by-hash', name);
      await mkdir(folder, { recursive: true });
      await cp(join(dists, path), join(folder, hex));
    }
  }
}

async function signSuite(dir: string, suite: string, key: AptSigningKey): Promise<void> {
  const folder = join(dir, 'dists', suite);
  const text = await readFile(join(folder, 'Release'), 'utf8');
  await writeFile(join(folder, 'InRelease'), await key.clearsign(text));
  await writeFile(join(folder, 'Release.gpg'), await key.detach(text));
}

async function filesBelow(dir: string): Promise<string[]> {
  const entries = await readdir(dir, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(dir.length + 1));
}
