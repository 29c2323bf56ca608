import type { IncomingMessage, ServerResponse } from 'node:http';
import type { ActiveSession } from '@waybill/contracts';
import type { Authority } from './http/authority.js';

/** A tunnel: whose it is and where it leads. */
export interface Tunnel {
  readonly session: ActiveSession;
  /** As CONNECT named it. */
  readonly authority: Authority;
  /** What the client speaks inside. */
  readonly scheme: 'https' | 'http';
  /** Server name of the client's TLS handshake; undefined when it sent none, or speaks plain HTTP. */
  readonly serverName: string | undefined;
  /** The Host field that was last found to name the authority, so that each further request is a comparison. */
  agreedHost?: string | undefined;
}

/** What one client connection carries from request to request. */
export interface ClientConnection {
  /** `ip:port` of the client. */
  readonly address: string;
  readonly tunnel?: Tunnel | undefined;
  /** The credentials that this connection showed last, so that each further request is a comparison and not a look-up. */
  authorized?: { readonly header: string; readonly session: ActiveSession } | undefined;
  /** Ends the connection; what was sent already may still arrive. */
  close(): void;
  /** Ends the connection so that not even bytes in the kernel's buffers get out (TCP reset). */
  reset(): void;
}

/** A request as the engine hands it over. */
export interface Incoming {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly connection: ClientConnection;
  /** The client waits for `100 Continue` before it sends the body. */
  readonly expectsContinue: boolean;
}
