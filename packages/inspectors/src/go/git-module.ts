import { formatPurl, type InspectorsConfig, type VouchLink } from '@waybill/contracts';
import { recogniseLicenses } from '../apt/copyright/license-text.js';
import { checkoutOf } from '../git/checkout.js';
import { fetchRequestOf } from '../git/fetch-request.js';
import { GitFormatError } from '../git/pkt-line.js';
import { repositoryMatcher } from '../git/repository-url.js';
import type { Inspector } from '../inspector.js';
import { approved, pending, unknown } from '../opinions.js';

const fileBytes = 1 << 20;
const licenses = ['LICENSE', 'LICENSE.md', 'LICENSE.txt', 'COPYING'];

/**
 * Go modules that are fetched with git (GOPROXY=direct): a `go.mod` in the root and a tag on the wanted revision give the pack its
 * name. `git.upload-pack` proves the pack itself. docs/inspectors/go.module.git.md
 * @see specs/fetch-service.md §5.8
 */
export function goModuleGit(config: InspectorsConfig): Inspector<VouchLink> {
  const allowed = repositoryMatcher(config);
  // Without pages that lead to repositories no Go client comes here by git.
  const isOn = (config.go?.imports.length ?? 0) > 0;
  return {
    id: 'go.module.git',
    inspectRequest(request) {
      if (!isOn || !request.url.pathname.endsWith('/git-upload-pack')) return undefined;
      const repository = allowed(request, 'git-upload-pack');
      if (!repository || !fetchRequestOf(request)) return undefined;
      return pending(`perhaps a Go module in ${repository.name}`, repository.origin);
    },
    async inspectArtifact(artifact, origin) {
      const checkout = checkoutOf(artifact);
      if (!checkout) return undefined;
      try {
        const file = await checkout.read(['go.mod'], fileBytes);
        const path = file && modulePathOf(file.text);
        if (!path) return origin && unknown('no go.mod with a module name in its root');
        if (checkout.tag === undefined) return unknown(`the module ${path}; no tag points to ${checkout.revision}`);
        if (!origin) return unknown(`the module ${path} ${checkout.tag}, which nobody asked for as such`);
        const license = await checkout.read(licenses, fileBytes);
        const parts = path.split('/');
        return approved(`the module ${path} at its tag ${checkout.tag}`, {
          metadata: {
            type: 'application/x.go.module.git-repo',
            name: parts.at(-1) ?? path,
            vendor: parts.slice(0, -1).join('/'),
            version: checkout.tag,
            license: recogniseLicenses(license?.text ?? '')
              .toSorted()
              .join(' AND '),
            'content-id': checkout.revision,
            purl: formatPurl({
              type: 'golang',
              namespace: parts.slice(0, -1).join('/') || undefined,
              name: parts.at(-1) ?? path,
              version: checkout.tag,
            }),
          },
          vouchedBy: [origin],
          annotations: { module: path, tag: checkout.tag, revision: checkout.revision },
        });
      } catch (error) {
        if (!(error instanceof GitFormatError)) throw error;
        return unknown(`no Go module that can be read: ${error.message}`);
      }
    },
  };
}

/** @see Go Modules Reference, "go.mod files: module directive" */
function modulePathOf(text: string): string | undefined {
  const found = /^module[ \t]+(?:"([^"\s]{1,300})"|`([^`\s]{1,300})`|([^\s"`(]{1,300}))[ \t]*(?:\/\/.*)?$/m.exec(text);
  const path = found?.[1] ?? found?.[2] ?? found?.[3];
  return path && /^[A-Za-z0-9._~/-]+$/.test(path) && !path.split('/').includes('') ? path : undefined;
}
