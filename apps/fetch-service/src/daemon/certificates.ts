import {
  checkRootCa,
  createLeafIssuer,
  loadOrCreateRootCa,
  loadRootCa,
  parseRootCa,
  type RootCa,
  type RootCaFiles,
  type RootedLeafIssuer,
  rootCaFilesIn,
  saveRootCa,
} from '@waybill/ca';
import type { Clock, Logger } from '@waybill/contracts';
import { FetchServiceError } from '../errors.js';

/** The CA that leaves are issued from, exchangeable at run time. */
export interface Certificates {
  readonly issuer: RootedLeafIssuer;
  readonly files: RootCaFiles;
  /** Reads the files again. @throws CaError, FetchServiceError FETCH_CERTIFICATE_INVALID */
  reload(): Promise<void>;
  /** Takes a certificate and key, and writes them to the files. @throws CaError, FetchServiceError FETCH_CERTIFICATE_INVALID */
  update(pem: { readonly certificatePem: string; readonly keyPem: string }, validateOnly: boolean): Promise<void>;
}

/** What certificates are opened with. */
export interface CertificateOptions {
  /** The operator's files; undefined = our own in `ownDirectory`, made when they are not there. */
  readonly chosen: RootCaFiles | undefined;
  readonly ownDirectory: string;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Called with each new issuer. */
  readonly onChange: (issuer: RootedLeafIssuer) => void;
}

/** @throws CaError, FetchServiceError FETCH_CERTIFICATE_INVALID */
export async function openCertificates(options: CertificateOptions): Promise<Certificates> {
  const { chosen, ownDirectory, clock, logger, onChange } = options;
  const files = chosen ?? rootCaFilesIn(ownDirectory);
  const load = () => (chosen ? loadRootCa(chosen) : loadOrCreateRootCa({ dir: ownDirectory, clock }));
  let issuer = createLeafIssuer({ root: accepted(await load(), clock, logger), clock });
  const replace = (root: RootCa) => {
    issuer = createLeafIssuer({ root, clock });
    logger.info({ subject: root.subject, sha256: root.fingerprintSha256 }, 'the root certificate was replaced');
    onChange(issuer);
  };
  return {
    get issuer() {
      return issuer;
    },
    files,
    async reload() {
      replace(accepted(await load(), clock, logger));
    },
    async update(pem, validateOnly) {
      const root = accepted(parseRootCa(pem), clock, logger);
      if (validateOnly) return;
      await saveRootCa(root, files);
      replace(root);
    },
  };
}

/** A root that clients would refuse is refused here, where somebody can do something about it. */
function accepted(root: RootCa, clock: Clock, logger: Logger): RootCa {
  const findings = checkRootCa(root, { clock });
  const mode = root.origin?.keyFileMode ?? 0;
  const fatal = findings.find(
    ({ severity, problem }) => severity === 'error' || (problem === 'key-file-readable' && (mode & 0o007) !== 0),
  );
  if (fatal) throw new FetchServiceError('FETCH_CERTIFICATE_INVALID', fatal.message, { hint: fatal.hint });
  for (const { message, hint } of findings) logger.warn({ hint }, message);
  return root;
}
