import { X509Certificate } from 'node:crypto';
import { readFile, stat } from 'node:fs/promises';
import type { Socket } from 'node:net';
import { createSecureContext, createServer, type SecureContextOptions, type Server, type TLSSocket } from 'node:tls';
import { ArtifactCacheError, messageOf } from '../errors.js';
import type { ClientCertificate } from '../serving/serving.js';

/** Files in PEM. */
export interface TlsFiles {
  readonly cert: string;
  readonly key: string;
  /** Whose client certificates are believed. Clients need none, unless `requireClient`. */
  readonly clientCa?: string | undefined;
  readonly requireClient?: boolean | undefined;
}

export interface TlsListener {
  readonly server: Server;
  /** @throws ArtifactCacheError SERVER_TLS_INVALID; the earlier certificate stays then */
  reload(): Promise<void>;
  /** @returns whether there was something to reload */
  reloadIfChanged(): Promise<boolean>;
}

/** @throws ArtifactCacheError SERVER_TLS_INVALID */
export async function createTlsListener(
  files: TlsFiles,
  { handshakeTimeoutMs, accept }: { handshakeTimeoutMs: number; accept: (socket: Socket) => void },
): Promise<TlsListener> {
  let seen = await stateOf(files);
  const server = createServer({
    ...(await readContext(files)),
    ALPNProtocols: ['h2', 'http/1.1'],
    requestCert: files.clientCa !== undefined,
    rejectUnauthorized: files.requireClient ?? false,
    handshakeTimeout: handshakeTimeoutMs,
    noDelay: true,
  });
  server.on('tlsClientError', (_error, socket) => socket.destroy());
  server.on('secureConnection', (socket) => {
    // A certificate of somebody else's CA is no credential at all: better a closed connection than a caller who seems anonymous.
    if (hasCertificate(socket) && !socket.authorized) socket.destroy();
    else accept(socket);
  });
  const reload = async () => {
    const state = await stateOf(files);
    server.setSecureContext(await readContext(files));
    seen = state;
  };
  return {
    server,
    reload,
    async reloadIfChanged() {
      if ((await stateOf(files)) === seen) return false;
      await reload();
      return true;
    },
  };
}

/** The client's certificate; on these listeners one that is shown is verified. */
export function verifiedCertificate(socket: TLSSocket): ClientCertificate | undefined {
  const certificate = socket.authorized ? socket.getPeerX509Certificate() : undefined;
  if (!certificate) return undefined;
  const name = /^CN=(.*)$/m.exec(certificate.subject ?? '')?.[1];
  return { sha256: certificate.fingerprint256.replaceAll(':', '').toLowerCase(), name };
}

function hasCertificate(socket: TLSSocket): boolean {
  return socket.getPeerX509Certificate() !== undefined;
}

async function readContext(files: TlsFiles): Promise<SecureContextOptions> {
  try {
    const [cert, key, ca] = await Promise.all([
      readFile(files.cert),
      readFile(files.key),
      files.clientCa === undefined ? undefined : readFile(files.clientCa),
    ]);
    const certificate = new X509Certificate(cert);
    if (new Date(certificate.validTo) < new Date()) throw new Error(`the certificate ended ${certificate.validTo}`);
    const context: SecureContextOptions = { cert, key, minVersion: 'TLSv1.2', ...(ca ? { ca } : {}) };
    createSecureContext(context);
    return context;
  } catch (cause) {
    throw new ArtifactCacheError('SERVER_TLS_INVALID', `${files.cert} and ${files.key}: ${messageOf(cause)}`, {
      hint: 'both must be readable PEM files, and the key the one of the certificate',
      cause,
    });
  }
}

/** What tells that a file was written or replaced. */
async function stateOf({ cert, key, clientCa }: TlsFiles): Promise<string> {
  const files = [cert, key, ...(clientCa === undefined ? [] : [clientCa])];
  const states = files.map(async (file) => {
    const found = await stat(file).catch(() => undefined);
    return found ? `${found.ino}:${found.size}:${found.mtimeMs}` : 'none';
  });
  return (await Promise.all(states)).join(' ');
}
