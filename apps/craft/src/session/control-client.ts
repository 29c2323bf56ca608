import { setTimeout as sleep } from 'node:timers/promises';
import {
  type CreateSessionResponse,
  createSessionResponseSchema,
  redactText,
  type StatusResponse,
  statusResponseSchema,
} from '@waybill/contracts';
import type { z } from 'zod';
import { CraftError } from '../errors.js';
import {
  type ControlAnswer,
  type ControlCall,
  type ControlEndpoint,
  controlRequest,
  NoAnswerError,
} from './control-request.js';

/** The calls of a session's life. All but creation may be repeated; they are, with pauses, when no answer comes. */
export interface ControlClient {
  status(): Promise<StatusResponse>;
  caPem(): Promise<string>;
  createSession(request: { policy: string; 'inspectors-configuration'?: unknown }): Promise<CreateSessionResponse>;
  revoke(id: string, token: string): Promise<void>;
  /** The report as the service wrote it. */
  report(id: string): Promise<Record<string, unknown>>;
  endSession(id: string): Promise<void>;
  deleteResources(id: string): Promise<void>;
}

/** What a client needs. */
export interface ControlClientOptions {
  readonly endpoint: ControlEndpoint;
  /** Where the service is now, asked after a call found nobody; a service that was started again has other ports. */
  readonly renew?: (() => Promise<ControlEndpoint>) | undefined;
  /** Pauses between attempts. */
  readonly retryDelaysMs?: readonly number[];
}

const defaultDelaysMs = [100, 300, 1_000, 2_000, 4_000];
const shortMs = 10_000;
const reportMs = 300_000;
const maxReportBytes = 1 << 29;
const passing = new Set([502, 503, 504]);

/** @throws CraftError CRAFT_CONTROL_FAILED, CRAFT_CONTROL_DENIED from its methods */
export function createControlClient(options: ControlClientOptions): ControlClient {
  let endpoint = options.endpoint;
  const delays = options.retryDelaysMs ?? defaultDelaysMs;

  async function attempt(call: ControlCall, repeatable: boolean): Promise<{ answer: ControlAnswer; tries: number }> {
    for (let tries = 0; ; tries++) {
      let failure: unknown;
      try {
        const answer = await controlRequest(endpoint, call);
        if (!repeatable || !passing.has(answer.status) || tries >= delays.length) return { answer, tries };
      } catch (error) {
        if (!(error instanceof NoAnswerError) || (error.sent && !repeatable)) throw noAnswer(call, error);
        failure = error;
      }
      const delay = delays[tries];
      if (delay === undefined) throw noAnswer(call, failure);
      await sleep(delay);
      if (failure instanceof NoAnswerError && !failure.sent && options.renew) endpoint = await options.renew();
    }
  }

  async function call(
    request: Omit<ControlCall, 'timeoutMs'> & { timeoutMs?: number },
    repeatable = true,
  ): Promise<ControlAnswer> {
    const whole: ControlCall = { timeoutMs: shortMs, ...request };
    const { answer, tries } = await attempt(whole, repeatable);
    if (answer.status >= 200 && answer.status < 300) return answer;
    // The first attempt did it, only its answer was lost.
    if (answer.status === 404 && request.method === 'DELETE' && tries > 0) return answer;
    throw refused(whole, answer);
  }

  return {
    status: async () => read(await call({ method: 'GET', path: '/status' }), statusResponseSchema),
    caPem: async () => (await call({ method: 'GET', path: '/ca.pem' })).text,
    createSession: async (body) =>
      read(await call({ method: 'POST', path: '/session', body }, false), createSessionResponseSchema),
    async revoke(id, token) {
      await call({ method: 'DELETE', path: `/session/${encodeURIComponent(id)}/token`, body: { token } });
    },
    async report(id) {
      const path = `/session/${encodeURIComponent(id)}`;
      return parseJson(await call({ method: 'GET', path, timeoutMs: reportMs, maxBytes: maxReportBytes })) as Record<
        string,
        unknown
      >;
    },
    async endSession(id) {
      await call({ method: 'DELETE', path: `/session/${encodeURIComponent(id)}` });
    },
    async deleteResources(id) {
      await call({ method: 'DELETE', path: `/resources/${encodeURIComponent(id)}` });
    },
  };
}

function read<Schema extends z.ZodType>(answer: ControlAnswer, schema: Schema): z.infer<Schema> {
  const result = schema.safeParse(parseJson(answer));
  if (result.success) return result.data;
  throw new CraftError('CRAFT_CONTROL_FAILED', 'the fetch service answered with something else than expected', {
    details: result.error.issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`),
    hint: 'is that really a fetch service, and of a version that fits?',
  });
}

function parseJson(answer: ControlAnswer): unknown {
  try {
    return JSON.parse(answer.text);
  } catch (cause) {
    throw new CraftError('CRAFT_CONTROL_FAILED', 'the fetch service answered with something that is not JSON', {
      cause,
    });
  }
}

function noAnswer(call: ControlCall, cause: unknown): CraftError {
  if (cause instanceof CraftError) return cause;
  return new CraftError(
    'CRAFT_CONTROL_FAILED',
    `the fetch service did not answer ${call.method} ${call.path}: ${(cause as Error).message}`,
    {
      hint: 'is the fetch service still running? its log says why it stopped',
      cause,
    },
  );
}

function refused(call: ControlCall, answer: ControlAnswer): CraftError {
  const text = redactText(answer.text.trim()).slice(0, 500);
  if (answer.status === 401) {
    return new CraftError(
      'CRAFT_CONTROL_DENIED',
      `the fetch service does not accept our credentials for ${call.method} ${call.path}`,
      {
        hint: 'stop the running fetch service, or correct the credentials it was started with (FETCH_SERVICE_AUTH)',
      },
    );
  }
  return new CraftError(
    'CRAFT_CONTROL_FAILED',
    `the fetch service answered ${call.method} ${call.path} with status ${answer.status}: ${text}`,
  );
}
