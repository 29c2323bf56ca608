import { chmod, mkdir, open, readFile, rename, rm, stat } from 'node:fs/promises';
import { dirname, join, posix } from 'node:path';
import { apt } from './apt.js';
import { bundleVariables } from './bundle-variables.js';
import { bypassReason } from './bypass-variables.js';
import { cargo } from './cargo.js';
import type { Client, ClientContext, ClientFile } from './client.js';
import { ClientSetupError } from './client-setup-error.js';
import { containers } from './containers.js';
import { curl } from './curl.js';
import { dnf } from './dnf.js';
import { dotnet } from './dotnet.js';
import { git } from './git.js';
import { gnupg } from './gnupg.js';
import { go } from './go.js';
import { gradle } from './gradle.js';
import { java } from './java.js';
import { maven } from './maven.js';
import { node } from './node.js';
import { npm } from './npm.js';
import { nss } from './nss.js';
import { readCertificates, writeCertificates } from './pem.js';
import { php } from './php.js';
import { parseProxyUrl } from './proxy-address.js';
import { proxyVariables } from './proxy-variables.js';
import { python } from './python.js';
import { ruby } from './ruby.js';
import { findSystemRoots } from './system-roots.js';
import { wget } from './wget.js';

/** What a build environment is prepared from. */
export interface ClientSetupOptions {
  /** `http://HOST:PORT` of a relay, or `http://SESSION:TOKEN@HOST:PORT`. */
  readonly proxyUrl: string;
  /** The session's CA, PEM. */
  readonly caPem: string;
  /** Folder for the files and for what clients cache; made when it is not there, removed by the caller after the session. */
  readonly dir: string;
  /** The same folder as the build sees it; `dir` by default. */
  readonly pathInside?: string | undefined;
  /** The host's variables: what is carried over and what has to go depends on them. */
  readonly hostEnv: Readonly<NodeJS.ProcessEnv>;
  /** The system's roots, PEM; found by default (see {@link findSystemRoots}). */
  readonly systemRootsPem?: string | undefined;
}

/** A prepared build environment. */
export interface ClientSetup {
  /** Variables to set. */
  readonly env: Record<string, string>;
  /** Variables of `hostEnv` to remove, sorted; `bypassReason` says why. None of them is in `env`. */
  readonly unset: string[];
  /** What was written, paths of the host. */
  readonly files: { readonly path: string; readonly mode: number; readonly description: string }[];
}

const clients: readonly Client[] = [
  proxyVariables,
  bundleVariables,
  curl,
  wget,
  git,
  node,
  npm,
  python,
  cargo,
  go,
  java,
  maven,
  gradle,
  apt,
  dnf,
  gnupg,
  containers,
  ruby,
  php,
  dotnet,
  nss,
];
const largestHostFile = 1 << 20;

/**
 * Makes every known client use a session's proxy and trust its CA *in addition to* the system's roots, and names the host's
 * variables that would lead around it. Nothing outside `dir` is written; the same input gives the same files
 * (but for the database that NSS writes, where its `certutil` is installed).
 *
 * @throws ClientSetupError SETUP_PROXY_INVALID, SETUP_CA_INVALID, SETUP_ROOTS_INVALID, SETUP_WRITE_FAILED
 */
export async function createClientSetup(options: ClientSetupOptions): Promise<ClientSetup> {
  const { dir, hostEnv } = options;
  const roots = await collectRoots(options);
  const inside = (name: string) => posix.join(options.pathInside ?? dir, name);
  const context: ClientContext = {
    proxy: parseProxyUrl(options.proxyUrl),
    bundle: inside('ca-bundle.pem'),
    extraRoots: inside('node-extra-ca.pem'),
    rootsDer: roots.all,
    ca: roots.ca,
    hostEnv,
    inside,
    readHostFile,
  };
  const parts = await Promise.all(clients.map((client) => client(context)));
  const env = Object.assign({}, ...parts.map((part) => part.env ?? {})) as Record<string, string>;
  const files: ClientFile[] = [
    { name: 'ca.pem', content: writeCertificates(roots.ca), description: "the session's CA alone" },
    {
      name: 'ca-bundle.pem',
      content: writeCertificates(roots.all),
      description: "the system's roots and the session's CA",
    },
    {
      name: 'node-extra-ca.pem',
      content: writeCertificates(roots.extra),
      description: 'what Node trusts beside its own roots',
    },
    ...parts.flatMap((part) => part.files ?? []),
  ];
  const unset = Object.keys(hostEnv).filter((name) => !(name in env) && bypassReason(name) !== undefined);
  return { env, unset: [...unset, ...strayGitSettings(hostEnv, env)].sort(), files: await writeFiles(dir, files) };
}

/** The environment of a build: `base` without what has to go, with what has to be there. */
export function applyClientSetup(
  base: Readonly<NodeJS.ProcessEnv>,
  setup: Pick<ClientSetup, 'env' | 'unset'>,
): Record<string, string> {
  const removed = new Set(setup.unset);
  const kept = Object.entries(base).filter(
    (pair): pair is [string, string] => pair[1] !== undefined && !removed.has(pair[0]),
  );
  return { ...Object.fromEntries(kept), ...setup.env };
}

interface Roots {
  readonly ca: Buffer[];
  readonly all: Buffer[];
  readonly extra: Buffer[];
}

async function collectRoots({ caPem, hostEnv, systemRootsPem }: ClientSetupOptions): Promise<Roots> {
  const ca = readCertificates(caPem);
  if (ca.length === 0) {
    throw new ClientSetupError('SETUP_CA_INVALID', 'the CA of the session is not a PEM certificate', {
      hint: 'give the text of the file that the service serves as /ca.pem',
    });
  }
  const system = systemRootsPem === undefined ? await findSystemRoots(hostEnv) : readCertificates(systemRootsPem);
  const hostExtra = hostEnv.NODE_EXTRA_CA_CERTS
    ? readCertificates((await readHostFile(hostEnv.NODE_EXTRA_CA_CERTS)) ?? '')
    : [];
  return { ca, all: unique([...system, ...hostExtra, ...ca]), extra: unique([...hostExtra, ...ca]) };
}

function unique(certificates: readonly Buffer[]): Buffer[] {
  return [...new Map(certificates.map((der) => [der.toString('latin1'), der])).values()];
}

/** Settings that the host numbered higher than ours: git would not read them, but they need not be there. */
function strayGitSettings(hostEnv: Readonly<NodeJS.ProcessEnv>, env: Readonly<Record<string, string>>): string[] {
  return Object.keys(hostEnv).filter((name) => /^GIT_CONFIG_(?:KEY|VALUE)_\d+$/.test(name) && !(name in env));
}

async function writeFiles(dir: string, files: readonly ClientFile[]): Promise<ClientSetup['files']> {
  const written: { path: string; mode: number; description: string }[] = [];
  for (const { name, content, description, isSecret } of files) {
    const path = join(dir, name);
    const mode = isSecret ? 0o600 : 0o644;
    try {
      await writeFile(path, content, mode);
    } catch (cause) {
      throw new ClientSetupError(
        'SETUP_WRITE_FAILED',
        `${path} (${description}) cannot be written: ${(cause as Error).message}`,
        {
          cause,
          hint: 'check that the folder is writable and the disk is not full',
        },
      );
    }
    written.push({ path, mode, description });
  }
  return written;
}

/** Complete or not at all, and never through a link that somebody left there. */
async function writeFile(path: string, content: string | Uint8Array, mode: number): Promise<void> {
  await mkdir(dirname(path), { recursive: true, ...(mode === 0o600 && { mode: 0o700 }) });
  const temporary = `${path}.new`;
  await rm(temporary, { force: true });
  const file = await open(temporary, 'wx', mode);
  try {
    await file.writeFile(content);
  } finally {
    await file.close();
  }
  await chmod(temporary, mode);
  await rename(temporary, path);
}

async function readHostFile(path: string): Promise<string | undefined> {
  const found = await stat(path).catch(() => undefined);
  if (!found?.isFile() || found.size > largestHostFile) return undefined;
  return readFile(path, 'utf8').catch(() => undefined);
}
