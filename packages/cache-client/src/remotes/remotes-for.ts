import { resolve } from 'node:path';
import { withoutOuterSlashes } from '@waybill/contracts';
import { CacheClientError } from '../errors.js';
import type { ArtifactsConfig, CacheServerConfig, ProjectCaches } from './config.js';
import { type RemoteAuth, type RemoteEndpoint, type RemoteSettings, remoteName } from './settings.js';

/** An `artifacts:` section and the directory that relative paths in it start from. */
export interface PlacedArtifacts {
  readonly artifacts: ArtifactsConfig;
  readonly directory: string;
}

/** Where remotes are configured. */
export interface RemoteSources {
  /** Name of the project that is built. */
  readonly project: string;
  /** The user's own configuration. */
  readonly user?: {
    readonly artifacts?: ArtifactsConfig | undefined;
    readonly projects?: ProjectCaches | undefined;
    readonly directory: string;
  };
  /** What the project recommends; never written to with the user's credentials unless the user lists it too. */
  readonly recommended?: PlacedArtifacts | undefined;
}

/**
 * The remotes of a project, in order: the user's for this project, else the user's for all; then those that the project
 * recommends, unless overridden. Recommended ones are only read from: who writes a project does not decide where a user's
 * builds go.
 * @throws CacheClientError CACHE_CONFIG_INVALID
 */
export function remotesFor({ project, user, recommended }: RemoteSources): readonly RemoteSettings[] {
  const own = ownValue(user?.projects, project)?.artifacts ?? user?.artifacts;
  const mine = own && user ? remotesOf(own, user.directory) : [];
  if (!recommended || own?.['override-project-caches']) return mine;
  const known = new Set(mine.map(remoteName));
  const theirs = remotesOf(recommended.artifacts, recommended.directory)
    .filter(({ pull }) => pull)
    .map((remote) => ({ ...remote, push: undefined, auth: { serverCert: remote.auth.serverCert } }));
  return [...mine, ...theirs.filter((remote) => !known.has(remoteName(remote)))];
}

/** Remotes of one section, in its order. */
export function remotesOf(config: ArtifactsConfig, directory: string): readonly RemoteSettings[] {
  if (config.servers) return config.servers.map((server) => ofServer(server, directory));
  const { 'pull-url': pull, 'push-url': push, 'instance-name': name } = config;
  if (!pull && !push) return [];
  const read = pull === undefined ? undefined : endpoint(new URL(pull), name, 'pull-url');
  const write = push === undefined ? undefined : pushEndpoint(push, config['push-port'], name ?? read?.namespace);
  return [{ pull: read, push: write, auth: authFiles(config.auth, directory) }];
}

function ofServer(server: CacheServerConfig, directory: string): RemoteSettings {
  const place = endpoint(new URL(server.url), server['instance-name'], server.url);
  const ssh = place.url.protocol === 'ssh:';
  return {
    pull: ssh ? undefined : place,
    // An ssh URL is there to push; BuildStream 1.0 knew no other use of it.
    push: server.push || ssh ? place : undefined,
    auth: authFiles(server.auth, directory),
  };
}

function pushEndpoint(text: string, port: number | undefined, otherwise: string | undefined): RemoteEndpoint {
  const scp = /^([^@/]+)@([^:/]+):(.*)$/.exec(text);
  const url = new URL(scp ? `ssh://${scp[1]}@${scp[2]}/${(scp[3] ?? '').replace(/^\/+/, '')}` : text);
  if (port !== undefined) url.port = String(port);
  const path = withoutOuterSlashes(url.pathname);
  return endpoint(url, path === '' ? otherwise : undefined, 'push-url');
}

/** With a name the URL's path is where the server begins; without one the path is the name. */
function endpoint(url: URL, name: string | undefined, place: string): RemoteEndpoint {
  if (name !== undefined) return { url, namespace: name };
  const namespace = withoutOuterSlashes(decodeURIComponent(url.pathname));
  if (namespace === '') {
    throw new CacheClientError('CACHE_CONFIG_INVALID', `${place} names no namespace`, {
      hint: `add it as path, such as ${url.protocol}//${url.host}/main, or as instance-name`,
    });
  }
  const bare = new URL(url);
  bare.pathname = '/';
  return { url: bare, namespace };
}

function authFiles(auth: ArtifactsConfig['auth'], directory: string): RemoteAuth {
  const at = (path: string | undefined) => (path === undefined ? undefined : resolve(directory, path));
  return {
    accessToken: at(auth?.['access-token']),
    serverCert: at(auth?.['server-cert']),
    clientCert: at(auth?.['client-cert']),
    clientKey: at(auth?.['client-key']),
  };
}

/** Not what every object has, should a project be called `constructor`. */
function ownValue<T>(record: Readonly<Record<string, T>> | undefined, key: string): T | undefined {
  return record && Object.hasOwn(record, key) ? record[key] : undefined;
}
