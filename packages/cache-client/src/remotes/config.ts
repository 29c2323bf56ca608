import { z } from 'zod';

const absolute = /^(https?|ssh):\/\//;
/** `user@host:path`, as scp and git write it. */
const scpLike = /^[A-Za-z0-9._-]+@[A-Za-z0-9.-]+:[^:]*$/;

const pullUrl = z
  .string()
  .refine((text) => /^https?:\/\//.test(text) && URL.canParse(text), 'expected an https:// or http:// URL');
const pushUrl = z
  .string()
  .refine(
    (text) => (absolute.test(text) && URL.canParse(text)) || scpLike.test(text),
    'expected user@host:namespace, or an ssh://, https:// or http:// URL',
  );
const serverUrl = z
  .string()
  .refine((text) => absolute.test(text) && URL.canParse(text), 'expected an https://, http:// or ssh:// URL');
const file = z.string().min(1, 'expected the path of a file');

const authSchema = z
  .strictObject({
    'access-token': file.optional(),
    'server-cert': file.optional(),
    'client-cert': file.optional(),
    'client-key': file.optional(),
  })
  .refine((auth) => (auth['client-cert'] === undefined) === (auth['client-key'] === undefined), {
    error: 'client-cert and client-key belong together: give both or none',
  });

const instanceName = z
  .string()
  .regex(
    /^[A-Za-z0-9][A-Za-z0-9._-]*(\/[A-Za-z0-9][A-Za-z0-9._-]*)*$/,
    'expected the name of a namespace, such as main',
  );

/** One entry of `servers`. */
export const cacheServerSchema = z.strictObject({
  url: serverUrl,
  push: z.boolean().default(false),
  type: z.literal('all', { error: "expected 'all': an artifact-cache is index and storage in one" }).default('all'),
  /** Namespace; without it the URL's path is the namespace. */
  'instance-name': instanceName.optional(),
  auth: authSchema.optional(),
});
export type CacheServerConfig = z.output<typeof cacheServerSchema>;

const seedForm = {
  'pull-url': pullUrl.optional(),
  'push-url': pushUrl.optional(),
  'push-port': z.number().int().min(1).max(65_535).optional(),
  'instance-name': instanceName.optional(),
  auth: authSchema.optional(),
};

const artifactsFields = z.strictObject({
  ...seedForm,
  servers: z.array(cacheServerSchema).max(32).optional(),
  /** Whether servers that a project recommends are left out. */
  'override-project-caches': z.boolean().default(false),
});

/** `artifacts:` of a user's or a project's configuration: `pull-url`, `push-url` and `push-port` for one server, or `servers`. */
export const artifactsConfigSchema = artifactsFields.superRefine((config, context) => {
  const single = Object.keys(seedForm).filter((key) => config[key as keyof typeof seedForm] !== undefined);
  if (config.servers && single.length > 0) {
    context.addIssue({ code: 'custom', path: [single[0] as string], message: 'stands beside servers: use one form' });
  }
  if (!config.servers && single.length > 0 && !config['pull-url'] && !config['push-url']) {
    context.addIssue({ code: 'custom', path: [single[0] as string], message: 'needs pull-url or push-url' });
  }
  if (config['push-port'] !== undefined) checkPort(config, context);
});
export type ArtifactsConfig = z.output<typeof artifactsConfigSchema>;

function checkPort(config: z.output<typeof artifactsFields>, context: z.RefinementCtx): void {
  const url = config['push-url'];
  if (url === undefined || /^https?:/.test(url)) {
    context.addIssue({ code: 'custom', path: ['push-port'], message: 'belongs to a push-url of ssh' });
  } else if (absolute.test(url) && new URL(url).port !== '') {
    context.addIssue({ code: 'custom', path: ['push-port'], message: 'the push-url names a port already' });
  }
}

/** `projects:` of a user's configuration: what replaces `artifacts` for a project. */
export const projectCachesSchema = z.record(
  z.string(),
  z.strictObject({ artifacts: artifactsConfigSchema.optional() }),
);
export type ProjectCaches = z.output<typeof projectCachesSchema>;
