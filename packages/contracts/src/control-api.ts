import { z } from 'zod';

/** `POST /session` request. specs §2.2. Unknown keys are ignored; secrets are validated separately (their messages are fixed). */
export const createSessionRequestSchema = z.object({
  timeout: z.number().int().nonnegative().default(0),
  policy: z.string().default('strict'),
  secrets: z.array(z.unknown()).nullish(),
  'inspectors-configuration': z.unknown().optional(),
});
export type CreateSessionRequest = z.infer<typeof createSessionRequestSchema>;

/** `POST /session` answer: exactly these two keys (older clients forbid others). */
export const createSessionResponseSchema = z.strictObject({ id: z.string(), token: z.string() });
export type CreateSessionResponse = z.infer<typeof createSessionResponseSchema>;

/** Types of secrets and the key that carries their credential. specs §2.2. */
export const secretCredentialKeys = {
  'basic-auth': 'basic-credentials',
  macaroon: 'macaroon-credentials',
  'keystone-v3': 'keystone-v3-credentials',
} as const;
export type SecretType = keyof typeof secretCredentialKeys;

/** A validated secret. `credentials` never leaves memory. */
export interface Secret {
  readonly type: SecretType;
  /** URL glob. */
  readonly url: string;
  readonly credentials: string;
}

/** `GET /status`. specs §2.1. */
export const statusResponseSchema = z.object({
  uptime: z.number().int(),
  'start-time': z.string(),
  'session-count': z.number().int(),
  'active-sessions': z.array(
    z.object({
      'session-id': z.string(),
      'start-time': z.string(),
      policy: z.string(),
      age: z.number().int(),
      timeout: z.number().int(),
    }),
  ),
});
export type StatusResponse = z.infer<typeof statusResponseSchema>;

/** `DELETE /session/<id>/token` answer. specs §2.3. */
export const revokeResponseSchema = z.object({
  'session-id': z.string(),
  'start-time': z.string(),
  'end-time': z.string(),
  'spool-path': z.string(),
});
export type RevokeResponse = z.infer<typeof revokeResponseSchema>;

/** Body of a refusal that the proxy sends when JSON is asked for; the text form says the same on one line. */
export const refusalBodySchema = z.object({
  error: z.string(),
  /** The same: each client shows the member that its own servers use. */
  message: z.string().optional(),
  reason: z.string(),
  inspector: z.string().optional(),
  url: z.string(),
  hint: z.string().optional(),
  'session-id': z.string().optional(),
});
export type RefusalBody = z.infer<typeof refusalBodySchema>;

/** One request on the local control socket. specs §6.3. */
export const socketRequestSchema = z.object({
  operation: z.string(),
  type: z.string().optional(),
  'validate-only': z.boolean().optional(),
  payload: z.string().optional(),
});
export type SocketRequest = z.infer<typeof socketRequestSchema>;

/** Its reply. */
export const socketReplySchema = z.object({ result: z.enum(['ok', 'error']), message: z.string() });
export type SocketReply = z.infer<typeof socketReplySchema>;

/**
 * How a client on the same machine finds a running daemon: `<runtime dir>/waybill/fetch-service.json`, mode 0600, where the
 * runtime dir is `$WAYBILL_RUNTIME_DIR`, else `$XDG_RUNTIME_DIR`, else `<tmp>/waybill-<uid>`.
 */
export const runtimeFileSchema = z.object({
  version: z.string(),
  pid: z.number().int().positive(),
  'started-at': z.string(),
  /** `http://127.0.0.1:<port>` */
  'control-url': z.string(),
  /** `http://127.0.0.1:<port>`, without credentials. */
  'proxy-url': z.string(),
  /** `user:password` of the control API. */
  auth: z.string(),
  /** Root certificate, PEM file. */
  'ca-file': z.string(),
  /** sha256 of the root certificate's DER, lower-case hex. */
  'ca-sha256': z.string(),
  /** Whether permissive sessions are allowed. */
  permissive: z.boolean(),
  /** Directory from which it took `inspectors.yaml` and `acl.yaml` when it started. */
  'config-directory': z.string().optional(),
});
export type RuntimeFile = z.infer<typeof runtimeFileSchema>;
