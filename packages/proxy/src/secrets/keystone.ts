/**
 * Puts the secret's user and password into an OpenStack Identity v3 token request. `user.domain`, `auth.scope` and everything
 * else of the client's request stay.
 *
 * @returns undefined when the body is not such a request
 * @see https://docs.openstack.org/api-ref/identity/v3/#password-authentication-with-unscoped-authorization
 */
export function rewriteTokenRequest(
  body: Uint8Array,
  { user: name, password }: { readonly user: string; readonly password: string },
): Buffer | undefined {
  const document = parse(body);
  const auth = objectAt(document, 'auth');
  const user = objectAt(objectAt(objectAt(auth, 'identity'), 'password'), 'user');
  if (!document || !auth || !user) return undefined;
  const domain = user.domain === undefined ? {} : { domain: user.domain };
  const identity = { methods: ['password'], password: { user: { name, password, ...domain } } };
  return Buffer.from(JSON.stringify({ ...document, auth: { ...auth, identity } }));
}

type JsonRecord = Record<string, unknown>;

function parse(body: Uint8Array): JsonRecord | undefined {
  try {
    return asRecord(JSON.parse(Buffer.from(body).toString('utf8')));
  } catch {
    return undefined;
  }
}

function objectAt(parent: JsonRecord | undefined, key: string): JsonRecord | undefined {
  return parent && Object.hasOwn(parent, key) ? asRecord(parent[key]) : undefined;
}

function asRecord(value: unknown): JsonRecord | undefined {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as JsonRecord) : undefined;
}
