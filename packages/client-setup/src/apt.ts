import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Client, ClientContext, ClientFile } from './client.js';

const hostFolder = '/etc/apt';
const mostFiles = 200;

/**
 * apt. The file that `APT_CONFIG` names is read *before* the host's, which would win: so it points apt at a copy of the host's
 * configuration with our settings behind it, after everything that says `DIRECT`, names another proxy or switches checks off
 * for some host has been cleared. apt gives up root for an own user before it downloads, who may not read the session's files
 * and does not exist in a sandbox: it is told not to.
 */
export const apt: Client = async (context) => {
  const { proxy, bundle, inside } = context;
  const first = [`Dir::Etc::parts ${quoted(inside('apt/conf.d'))};`, 'Dir::Etc::main "/dev/null";', ''].join('\n');
  const last = [
    '#clear Acquire::http;',
    '#clear Acquire::https;',
    '#clear Acquire::ftp;',
    `Acquire::http::Proxy ${quoted(proxy.url)};`,
    `Acquire::https::Proxy ${quoted(proxy.url)};`,
    `Acquire::https::CAInfo ${quoted(bundle)};`,
    'Acquire::https::Verify-Peer "true";',
    'Acquire::https::Verify-Host "true";',
    'APT::Sandbox::User "root";',
    // apt 2.6 delays another attempt after a transfer that broke off, as a late refusal does, and may then wait for ever.
    'Acquire::Retries::Delay "false";',
    '',
  ].join('\n');
  return {
    env: { APT_CONFIG: inside('apt/apt.conf') },
    files: [
      ...(await hostConfiguration(context)),
      { name: 'apt/apt.conf', content: first, description: 'apt: where its configuration lies' },
      {
        name: 'apt/conf.d/zzzz-waybill',
        content: last,
        description: 'apt: proxy and trust',
        isSecret: proxy.user !== undefined,
      },
    ],
  };
};

/** The host's files in apt's order; `apt.conf` comes after `apt.conf.d`. */
async function hostConfiguration({ readHostFile }: ClientContext): Promise<ClientFile[]> {
  const parts = join(hostFolder, 'apt.conf.d');
  const names = (await readdir(parts).catch(() => []))
    .filter((name) => /^[A-Za-z0-9_-]+(?:\.conf)?$/.test(name))
    .sort();
  const sources = [
    ...names.slice(0, mostFiles).map((name) => [name, join(parts, name)] as const),
    ['zzz-apt.conf', join(hostFolder, 'apt.conf')] as const,
  ];
  const files: ClientFile[] = [];
  for (const [name, path] of sources) {
    const content = await readHostFile(path);
    if (content !== undefined)
      files.push({ name: `apt/conf.d/${name}`, content, description: `apt: copy of ${path}`, isSecret: true });
  }
  return files;
}

/** apt's strings know no escapes. */
function quoted(text: string): string {
  return `"${text.replaceAll('"', '%22')}"`;
}
