import type { SocketRequest } from '@waybill/contracts';
import { parseDocument } from 'yaml';
import { z } from 'zod';
import type { ServiceConfiguration } from '../config/service-configuration.js';
import { toPolicy } from '../control/context.js';
import { FetchServiceError, messageOf } from '../errors.js';
import type { Gc } from '../gc/gc.js';
import { gcOperation } from '../gc/gc-operation.js';
import { type ReportSource, reportArtifacts } from '../report/session-report.js';
import type { NewSession } from '../sessions/session-manager.js';
import { isSessionId } from '../sessions/token.js';
import { version } from '../version.js';
import type { SocketAnswer } from './control-socket.js';

/** What the operations act on. */
export interface OperationTargets {
  readonly sessions: {
    create(session: NewSession): Promise<{ readonly id: string; readonly token: string }>;
    evidence(id: string): Promise<ReportSource>;
  };
  readonly configuration: Pick<ServiceConfiguration, 'update'>;
  readonly isPermissiveAllowed: boolean;
  readonly gc: Pick<Gc, 'run'>;
  /** Replaces the CA by a certificate and its key, or only checks that they fit. */
  updateCertificate(
    pem: { readonly certificatePem: string; readonly keyPem: string },
    validateOnly: boolean,
  ): Promise<void>;
}

const payloadSchema = z.object({
  'session-id': z.string().optional(),
  token: z.string().optional(),
  timeout: z.number().int().nonnegative().optional(),
  mode: z.string().optional(),
  /** base64 of YAML */
  'inspectors-configuration': z.string().optional(),
});

/** Carries out a request of the control socket. specs/fetch-service.md §6.3 */
export async function operate(targets: OperationTargets, request: SocketRequest): Promise<SocketAnswer> {
  const { operation, payload = '' } = request;
  if (operation === 'version') return version;
  if (operation === 'update-config') return updateConfig(targets, request);
  if (operation === 'update-cert') return updateCertificate(targets, request);
  if (operation === 'gc') return gcOperation(targets.gc, request['validate-only'] === true);
  if (operation === 'create-session') return createSession(targets, payload);
  if (operation === 'list-artifacts' || operation === 'list-artefacts') return listArtifacts(targets, payload.trim());
  if (operation === 'restart') {
    throw new FetchServiceError(
      'FETCH_RESTART_IMPOSSIBLE',
      'the daemon is one process, which cannot be replaced under its clients',
      {
        hint: 'start it with --processes=2 or more, or stop it and start it again: sessions go on',
      },
    );
  }
  throw invalid('unsupported operation');
}

async function updateConfig({ configuration }: OperationTargets, request: SocketRequest): Promise<string> {
  const { type, payload = '', 'validate-only': validateOnly = false } = request;
  if (type !== 'acl' && type !== 'inspectors')
    throw invalid(`unknown type of configuration ${JSON.stringify(type ?? '')}: expected acl or inspectors`);
  try {
    await configuration.update(type, payload, { validateOnly });
  } catch (cause) {
    throw invalid(`${type} configuration update error: ${messageOf(cause)}`, cause);
  }
  return validateOnly ? 'configuration validated' : 'configuration updated';
}

async function updateCertificate(targets: OperationTargets, request: SocketRequest): Promise<string> {
  const { payload = '', 'validate-only': validateOnly = false } = request;
  const certificates = blocks(payload, 'CERTIFICATE');
  const keys = blocks(payload, '(?:[A-Z]+ )?PRIVATE KEY');
  try {
    if (certificates.length === 0)
      throw invalid('expected the PEM of a certificate, an empty line and the PEM of its key; found no certificate');
    if (keys.length !== 1) throw invalid(`expected the PEM of one key after the certificate, found ${keys.length}`);
    await targets.updateCertificate({ certificatePem: certificates.join('\n'), keyPem: keys.join('\n') }, validateOnly);
  } catch (cause) {
    throw invalid(`certificate update error: ${messageOf(cause)}`, cause);
  }
  return validateOnly ? 'certificate validated' : 'proxy certificate updated';
}

function blocks(text: string, label: string): string[] {
  const pattern = new RegExp(`-----BEGIN (${label})-----[\\s\\S]*?-----END \\1-----`, 'g');
  return [...text.matchAll(pattern)].map((match) => match[0]);
}

async function createSession({ sessions, isPermissiveAllowed }: OperationTargets, payload: string): Promise<string> {
  const wanted = parsePayload(payload);
  const wish = toPolicy(wanted.mode ?? 'strict');
  // Here, other than over HTTP, a permissive session that is not allowed becomes a strict one.
  const policy = isPermissiveAllowed ? wish : 'strict';
  const { 'session-id': wantedId, token: wantedToken } = wanted;
  if (wantedId && !isSessionId(wantedId)) throw invalid('session-id: expected up to 64 of a-z and 0-9');
  if (wantedToken && !/^[A-Za-z0-9._~-]{16,128}$/.test(wantedToken)) {
    throw invalid('token: expected 16 to 128 of A-Z, a-z, 0-9 and ._~-');
  }
  const { id, token } = await sessions.create({
    policy,
    timeoutSeconds: wanted.timeout ?? 0,
    sections: sectionsOf(wanted['inspectors-configuration']),
    ...(wantedId ? { id: wantedId } : {}),
    ...(wantedToken ? { token: wantedToken } : {}),
  });
  return `session ${id}:${token} created (${policy})`;
}

function parsePayload(payload: string): z.infer<typeof payloadSchema> {
  try {
    const parsed = payloadSchema.safeParse(JSON.parse(payload || '{}'));
    if (parsed.success) return parsed.data;
    throw invalid(parsed.error.issues.map(({ path, message }) => `${path.join('.')}: ${message}`).join('; '));
  } catch (cause) {
    if (cause instanceof FetchServiceError) throw cause;
    throw invalid('the payload is not valid JSON');
  }
}

function sectionsOf(base64: string | undefined): unknown {
  if (!base64) return undefined;
  const document = parseDocument(Buffer.from(base64, 'base64').toString('utf8'), { stringKeys: true });
  const [error] = document.errors;
  if (error) throw invalid(`inspectors-configuration: ${error.message}`);
  return document.toJS({ maxAliasCount: 100 });
}

async function listArtifacts({ sessions }: OperationTargets, id: string): Promise<AsyncIterable<string>> {
  const source = await sessions.evidence(id).catch((cause: unknown) => {
    if (cause instanceof FetchServiceError && cause.code === 'FETCH_SESSION_UNKNOWN')
      throw invalid('session does not exist', cause);
    throw cause;
  });
  return prettyList(reportArtifacts(source));
}

async function* prettyList(items: AsyncIterable<unknown>): AsyncGenerator<string> {
  let separator = '[\n  ';
  for await (const item of items) {
    yield separator + JSON.stringify(item, undefined, 2).replaceAll('\n', '\n  ');
    separator = ',\n  ';
  }
  yield separator.startsWith('[') ? '[]' : '\n]';
}

function invalid(message: string, cause?: unknown): FetchServiceError {
  return new FetchServiceError('FETCH_REQUEST_INVALID', message, cause === undefined ? {} : { cause });
}
