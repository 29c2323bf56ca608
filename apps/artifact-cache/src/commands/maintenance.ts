import type { FsckFinding } from '@waybill/cache-store';
import { ArtifactCacheError } from '../errors.js';
import { bytesText, table } from '../output/table.js';
import { type CommandContext, type CommandResult, withCache } from './command.js';

interface Options {
  readonly config?: string | undefined;
}

/** Removes what is expired, unused or too much; beside a server that runs. */
export async function collect(
  context: CommandContext,
  { config, dryRun = false }: Options & { readonly dryRun?: boolean | undefined },
): Promise<CommandResult> {
  return await withCache(context, config, async ({ store }) => {
    const result = await store.gc({ dryRun });
    const verb = dryRun ? 'Would remove' : 'Removed';
    const shown = dryRun ? result.removed.map(({ namespace, kind, key }) => `  ${namespace} ${kind} ${key}`) : [];
    return {
      lines: [`${verb} ${result.entries} entries and ${result.blobs} blobs, ${bytesText(result.bytes)}.`, ...shown],
      value: { 'dry-run': dryRun, ...result },
    };
  });
}

/** Looks for damage, and with `repair` removes names that cannot be served. */
export async function check(
  context: CommandContext,
  {
    config,
    verify,
    repair,
  }: Options & { readonly verify?: boolean | undefined; readonly repair?: boolean | undefined },
): Promise<CommandResult> {
  return await withCache(context, config, async ({ store }) => {
    const findings: FsckFinding[] = [];
    for await (const finding of store.fsck({ verify, repair })) findings.push(finding);
    const left = findings.filter(({ repaired }) => !repaired).length;
    return {
      lines: findings.length === 0 ? ['Everything is as it should be.'] : findings.map(findingText),
      value: { findings },
      problem:
        left === 0
          ? undefined
          : new ArtifactCacheError('SERVER_DAMAGE_FOUND', `${left} of ${findings.length} findings are not repaired`, {
              hint: 'artifact-cache fsck --repair removes names that cannot be served; clients build again',
            }),
    };
  });
}

function findingText({ problem, namespace, kind, key, sha256, repaired }: FsckFinding): string {
  const where = [namespace, kind, key, sha256].filter((part) => part !== undefined).join(' ');
  return `${problem}: ${where}${repaired ? ' (repaired)' : ''}`;
}

/** How full each namespace is. */
export async function statistics(context: CommandContext, { config }: Options): Promise<CommandResult> {
  return await withCache(context, config, async ({ store }) => {
    const usage = await store.usage();
    const rows = usage.map(({ namespace, bytes, blobs, entries, reservedBytes, quotaBytes }) => [
      namespace,
      bytesText(bytes),
      quotaBytes === undefined ? '–' : `${Math.round((100 * bytes) / quotaBytes)} % of ${bytesText(quotaBytes)}`,
      String(entries),
      String(blobs),
      reservedBytes > 0 ? bytesText(reservedBytes) : '–',
    ]);
    return {
      lines: table(['Namespace', 'Size', 'Quota', 'Entries', 'Blobs', 'Reserved'], rows, 'Nothing is stored yet.'),
      value: { namespaces: usage },
    };
  });
}

/** What writers did, newest first. */
export async function auditLog(
  context: CommandContext,
  options: Options & {
    readonly namespace?: string | undefined;
    readonly principal?: string | undefined;
    readonly limit: number;
  },
): Promise<CommandResult> {
  return await withCache(context, options.config, async ({ store }) => {
    const { namespace, principal, limit } = options;
    const records = await store.audit({ namespace, principal, limit });
    const rows = records.map(({ at, namespace: where, action, kind, key, writer, detail }) => [
      at.toISOString().replace(/\.\d+Z$/, 'Z'),
      writer.principal,
      action,
      where,
      [kind, key, detail].filter((part) => part !== undefined).join(' '),
    ]);
    return {
      lines: table(['Time', 'Who', 'What', 'Where', 'Which'], rows, 'Nothing was written yet.'),
      value: { records },
    };
  });
}
