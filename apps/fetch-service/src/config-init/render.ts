import { stringify } from 'yaml';
import type { AptOrigin } from './apt-origins.js';
import type { CargoOrigin } from './cargo-origins.js';
import type { GoOrigin } from './go-origins.js';
import type { MavenOrigin } from './maven-origins.js';
import type { NpmOrigin } from './npm-origins.js';
import type { PipOrigin } from './pip-origins.js';

/** What the files are made of. */
export interface Origins {
  readonly npm: readonly NpmOrigin[];
  readonly apt: readonly AptOrigin[];
  readonly git: readonly string[];
  readonly pip: readonly PipOrigin[];
  readonly cargo: readonly CargoOrigin[];
  readonly go: readonly GoOrigin[];
  readonly maven: readonly MavenOrigin[];
}

/** Text of an `inspectors.yaml` that allows these origins and nothing else. */
export function renderInspectors(origins: Origins, notes: readonly string[]): string {
  const parts = [
    `# What sessions may download. A section that is missing allows nothing; unknown keys are errors.
# Globs: * and ? stay within one path segment, ** crosses them; [abc], [!abc], {a,b}. URLs of https carry their port (:443).
# Check after editing: fetch-service config check FILE
`,
    ...(notes.length > 0
      ? [`# Noted when this file was made:\n${notes.map((note) => `#  - ${comment(note)}\n`).join('')}`]
      : []),
    npmSection(origins.npm),
    pipSection(origins.pip),
    cargoSection(origins.cargo),
    goSection(origins.go),
    mavenSection(origins.maven),
    aptSection(origins.apt),
    gitSection(origins.git),
    `# Files pinned by digest: approved when the bytes match.
# generic:
#   files:
#     - url: https://files.example:443/tool-1.0.tar.gz
#       sha256: ${'0'.repeat(64)}
`,
  ];
  return parts.filter((part) => part !== '').join('\n');
}

/** Text of an `acl.yaml` with what holds without one, to be edited. */
export function renderAcl(): string {
  return `# Which addresses builds may reach through the proxy, checked after the name is resolved and before connecting.
# Rules in order, the first that matches decides, else the policy. Loopback, link-local, metadata and the service's own
# addresses are refused whatever the policy says; a rule that names such an address allows it.
http-proxy:
  policy: allow
  rules: []
  #  - dst: [10.0.0.0/8, 192.168.0.0/16]
  #    access: deny
`;
}

function npmSection(origins: readonly NpmOrigin[]): string {
  if (origins.length === 0) return '';
  const registries = Object.fromEntries(origins.map(({ name, url }) => [name, { url }]));
  return `# Packuments below \`url\`; tarballs there, and where the globs of \`tarballs\` (a list beside url) allow.\n${yaml({ npm: { registries } })}`;
}

function pipSection(origins: readonly PipOrigin[]): string {
  if (origins.length === 0) return '';
  const indexes = Object.fromEntries(origins.map(({ name, url, files }) => [name, { url, files }]));
  return `# Project pages below \`url\`; files on its host, and where the globs of \`files\` allow.\n${yaml({ pip: { indexes } })}`;
}

function cargoSection(origins: readonly CargoOrigin[]): string {
  if (origins.length === 0) return '';
  const registries = Object.fromEntries(origins.map(({ name, index, downloads }) => [name, { index, downloads }]));
  return `# Sparse indexes, and where their crates lie.\n${yaml({ cargo: { registries } })}`;
}

function goSection([origin]: readonly GoOrigin[]): string {
  if (!origin) return '';
  const { proxies, database, unlisted } = origin;
  const go = {
    proxies: Object.fromEntries(proxies.map(({ name, url }) => [name, { url }])),
    ...(database && { 'sum-databases': { default: database } }),
    ...(unlisted.length > 0 && { unlisted }),
  };
  return `# Modules are approved when the checksum database lists them; those under \`unlisted\` by trust in their proxy.\n${yaml({ go })}`;
}

function mavenSection(origins: readonly MavenOrigin[]): string {
  if (origins.length === 0) return '';
  const repositories = Object.fromEntries(origins.map(({ name, url }) => [name, { url }]));
  return `# For Maven and Gradle; \`public-key\` beside url makes signatures necessary.\n${yaml({ maven: { repositories } })}`;
}

function aptSection(origins: readonly AptOrigin[]): string {
  if (origins.length === 0) return '';
  const repositories = Object.fromEntries(
    origins.map(({ name, url, suites, components, publicKey }) => [
      name,
      { urls: [url], suites, ...(components.length > 0 ? { components } : {}), 'public-key': publicKey },
    ]),
  );
  return `# A release is approved when a key of its repository signed it; indexes and packages follow from there.\n${yaml({ apt: { repositories } })}`;
}

function gitSection(urls: readonly string[]): string {
  if (urls.length > 0) return `# Repositories that may be cloned over https.\n${yaml({ git: { urls } })}`;
  return `# Repositories that may be cloned over https.
# git:
#   urls:
#     - https://git.example:443/team/**
`;
}

function yaml(value: unknown): string {
  return stringify(value, { lineWidth: 0, blockQuote: 'literal' });
}

function comment(text: string): string {
  return text.replace(/\s+/g, ' ');
}
