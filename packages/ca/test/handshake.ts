import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { checkServerIdentity, connect, type DetailedPeerCertificate, TLSSocket } from 'node:tls';
import type { RootedLeafIssuer } from '../src/leaf-issuer.js';

/** What a TLS client saw. */
export interface Handshake {
  readonly certificate: X509Certificate;
  /** As sent by the server, leaf first. */
  readonly chain: readonly X509Certificate[];
  /** Whether Node trusts the chain and the certificate names the host; times are not judged, the tests' clock is not the wall's. */
  readonly authorized: boolean;
}

/** One TLS handshake over loopback with a leaf of the issuer. */
export async function handshake(issuer: RootedLeafIssuer, host: string): Promise<Handshake> {
  const secureContext = await issuer.contextFor(host);
  const server = createServer((socket) =>
    new TLSSocket(socket, { isServer: true, secureContext }).on('error', () => undefined).resume(),
  );
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const client = connect({ port, host: '127.0.0.1', ca: issuer.root.certificatePem, rejectUnauthorized: false });
  try {
    await once(client, 'secureConnect');
    const peer = client.getPeerCertificate(true);
    const timeProblems = ['CERT_HAS_EXPIRED', 'CERT_NOT_YET_VALID'];
    const problem = client.authorizationError as unknown as string | null;
    return {
      certificate: new X509Certificate(peer.raw),
      chain: chainOf(peer).map(({ raw }) => new X509Certificate(raw)),
      authorized:
        (problem === null || timeProblems.includes(problem)) &&
        checkServerIdentity(host.replace(/\.$/, ''), peer) === undefined,
    };
  } finally {
    client.destroy();
    server.close();
  }
}

function chainOf(peer: DetailedPeerCertificate): DetailedPeerCertificate[] {
  const chain: DetailedPeerCertificate[] = [];
  for (let one: DetailedPeerCertificate | undefined = peer; one && !chain.includes(one); one = one.issuerCertificate)
    chain.push(one);
  return chain.filter(({ raw }) => raw !== undefined);
}
