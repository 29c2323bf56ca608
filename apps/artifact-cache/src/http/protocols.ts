import type { FastifyInstance } from 'fastify';
import { registerNative } from '../native/register-native.js';
import { registerKeyValue } from '../protocols/key-value.js';
import { registerPrefixed } from '../protocols/prefixed.js';
import { registerTurbo } from '../protocols/turbo.js';
import type { Serving } from '../serving/serving.js';
import { registerWeb } from '../web/register-web.js';

/** Adds the routes of one protocol to a scope of its own. */
export type RegisterProtocol = (app: FastifyInstance, serving: Serving) => void | Promise<void>;

/** Everything that is served over HTTP. A new protocol is a module and a line here; the order means nothing. */
export const protocols: readonly RegisterProtocol[] = [
  registerNative,
  registerTurbo,
  registerKeyValue,
  registerPrefixed,
  registerWeb,
];
