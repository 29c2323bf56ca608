import type { Claim, OutgoingRequest, RequestNeed, RequestPolicy, RequestsConfig } from '@waybill/contracts';
import { compileUrlGlob, type UrlGlob } from './url-glob.js';
import { unusualHeaderBytes } from './usual-headers.js';

/** Bounds of one request, each with the place in the configuration that sets it. */
interface Bounds {
  readonly values: Required<Limits>;
  /** Keys that a rule for this URL sets: it says all there is to say about them, whatever an inspector needs. */
  readonly ruled: ReadonlySet<Key>;
  readonly pathOf: (key: Key) => string;
}

type Key = Exclude<keyof RequestsConfig, 'rules'>;
type Limits = { readonly [K in Key]?: NonNullable<RequestsConfig[K]> };

/** What clients of package services need when they only read. */
export const defaultRequestBounds: Required<Limits> = {
  methods: ['GET', 'HEAD'],
  'max-url-bytes': 2048,
  'max-query-bytes': 0,
  'max-header-bytes': 8192,
  'max-header-fields': 64,
  'max-unusual-header-bytes': 1024,
  'max-body-bytes': 0,
};

const keys = Object.keys(defaultRequestBounds) as Key[];

/**
 * Bounds what a build can say to the upstreams that it may reach: method, URL, query, header fields and body. Reading needs
 * little; what a format needs beyond that, the inspector that claims the request declares for that very request.
 *
 * @throws PolicyError POLICY_GLOB_INVALID
 */
export function createRequestPolicy(config: RequestsConfig = { rules: [] }): RequestPolicy {
  const general: Bounds = {
    values: { ...defaultRequestBounds, ...named(config) },
    ruled: new Set(),
    pathOf: (key) => `requests.${key}`,
  };
  const rules = config.rules.map((rule, index) => toRule(rule, index, general));
  return {
    refusalFor(request, claims) {
      const bounds = rules.length === 0 ? general : boundsFor(rules, request.normalizedUrl, general);
      const fault = faultOf(request, claims, bounds);
      return fault && { reason: fault.found, hint: hintOf(fault.key, bounds) };
    },
  };
}

interface Rule {
  readonly globs: readonly UrlGlob[];
  readonly bounds: Bounds;
}

function toRule(rule: RequestsConfig['rules'][number], index: number, general: Bounds): Rule {
  const own = named(rule);
  const ruled = new Set(Object.keys(own) as Key[]);
  return {
    globs: rule.urls.map(compileUrlGlob),
    bounds: {
      values: { ...general.values, ...own },
      ruled,
      pathOf: (key) => (ruled.has(key) ? `requests.rules[${index}].${key}` : general.pathOf(key)),
    },
  };
}

function boundsFor(rules: readonly Rule[], url: string, general: Bounds): Bounds {
  return rules.find(({ globs }) => globs.some((glob) => glob.matches(url)))?.bounds ?? general;
}

function named(limits: Partial<Record<Key, unknown>>): Limits {
  return Object.fromEntries(keys.filter((key) => limits[key] !== undefined).map((key) => [key, limits[key]]));
}

interface Fault {
  readonly key: Key;
  readonly found: string;
}

function faultOf(request: OutgoingRequest, claims: readonly Claim[], bounds: Bounds): Fault | undefined {
  const { method, normalizedUrl, rawHeaders, bodyBytes } = request;
  const { values } = bounds;
  const isNeeded = (need: RequestNeed, key: Key) => !bounds.ruled.has(key) && isDeclared(claims, need);
  const over = (key: Exclude<Key, 'methods'>, size: number, what: string): Fault | undefined =>
    size > values[key]
      ? { key, found: `${what}, at most ${values[key]} may go upstream (${bounds.pathOf(key)})` }
      : undefined;
  if (!values.methods.includes(method) && !isNeeded('method', 'methods')) {
    const allowed = values.methods.length > 0 ? `only ${values.methods.join(', ')}` : 'no method at all';
    return {
      key: 'methods',
      found: `the method ${method} may not go upstream, ${allowed} (${bounds.pathOf('methods')})`,
    };
  }
  const queryBytes = normalizedUrl.length - endOfPath(normalizedUrl);
  const headerBytes = rawHeaders.reduce((sum, text) => sum + text.length, 0);
  return (
    over('max-url-bytes', normalizedUrl.length, `the URL has ${normalizedUrl.length} bytes`) ??
    (queryBytes > values['max-query-bytes'] && !isNeeded('query', 'max-query-bytes')
      ? over('max-query-bytes', queryBytes, `the query string has ${queryBytes} bytes`)
      : undefined) ??
    over('max-header-fields', rawHeaders.length / 2, `the request has ${rawHeaders.length / 2} header fields`) ??
    over('max-header-bytes', headerBytes, `the header fields have ${headerBytes} bytes`) ??
    // Counted only when it can matter: most requests have less than that in all.
    (headerBytes > values['max-unusual-header-bytes'] ? overUnusual() : undefined) ??
    (bodyBytes > values['max-body-bytes'] && !isNeeded('body', 'max-body-bytes')
      ? over(
          'max-body-bytes',
          bodyBytes,
          `the body has ${Number.isFinite(bodyBytes) ? bodyBytes : 'unknown many'} bytes`,
        )
      : undefined)
  );

  function overUnusual(): Fault | undefined {
    const size = unusualHeaderBytes(rawHeaders);
    return over('max-unusual-header-bytes', size, `header fields that package clients do not send have ${size} bytes`);
  }
}

/** Where the query begins, behind its question mark; the length when there is none. */
function endOfPath(url: string): number {
  const mark = url.indexOf('?');
  return mark < 0 ? url.length : mark + 1;
}

function isDeclared(claims: readonly Claim[], need: RequestNeed): boolean {
  return claims.some(({ inspection }) => inspection.opinion === 'Pending' && inspection.needs?.includes(need));
}

function hintOf(key: Key, { pathOf }: Bounds): string {
  const place = pathOf(key);
  return place.startsWith('requests.rules')
    ? `builds may not send this; when they need to, change ${place} in inspectors.yaml`
    : `builds may not send this; when they need to, add a rule for the URL with ${key} under requests.rules in inspectors.yaml`;
}
