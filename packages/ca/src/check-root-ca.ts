import { type Clock, systemClock } from '@waybill/contracts';
import type { RootCa } from './root-ca.js';
import { addDays } from './validity.js';
import { KeyUsageFlags, KeyUsagesExtension } from './x509.js';

/** Something about a root CA that a person should know. */
export interface CaFinding {
  /** `error`: clients will refuse it, or it cannot sign. */
  readonly severity: 'error' | 'warning';
  readonly problem:
    | 'expired'
    | 'not-yet-valid'
    | 'expires-soon'
    | 'not-a-ca'
    | 'no-cert-sign'
    | 'not-self-signed'
    | 'key-file-readable';
  readonly message: string;
  readonly hint: string;
}

/** Looks for what would make clients refuse a root, or let others use its key. Empty when all is well. */
export function checkRootCa(
  root: RootCa,
  { clock = systemClock }: { readonly clock?: Clock | undefined } = {},
): CaFinding[] {
  return [...checkValidity(root, clock.now()), ...checkUsage(root), ...checkKeyFile(root)];
}

function checkValidity(root: RootCa, now: Date): CaFinding[] {
  const found = (
    severity: CaFinding['severity'],
    problem: CaFinding['problem'],
    message: string,
    hint: string,
  ): CaFinding[] => [{ severity, problem, message: `the root CA ${root.subject} ${message}`, hint }];
  if (root.notAfter <= now) {
    return found(
      'error',
      'expired',
      `expired at ${root.notAfter.toISOString()}`,
      'rotate it and give clients the new certificate',
    );
  }
  if (root.notBefore > now) {
    return found(
      'error',
      'not-yet-valid',
      `is not valid before ${root.notBefore.toISOString()}`,
      "check this machine's clock",
    );
  }
  if (root.notAfter <= addDays(now, 30)) {
    return found('warning', 'expires-soon', `expires at ${root.notAfter.toISOString()}`, 'rotate it before then');
  }
  return [];
}

function checkUsage(root: RootCa): CaFinding[] {
  const found: CaFinding[] = [];
  if (!root.isCa) {
    const message = `${root.subject} is not a CA: its basic constraints do not say CA:TRUE`;
    found.push({
      severity: 'error',
      problem: 'not-a-ca',
      message,
      hint: 'give a CA certificate, not a server certificate',
    });
  }
  const usage = root.parsed().getExtension(KeyUsagesExtension);
  if (usage && (usage.usages & KeyUsageFlags.keyCertSign) === 0) {
    const message = `${root.subject} may not sign certificates: its key usage lacks keyCertSign`;
    found.push({
      severity: 'error',
      problem: 'no-cert-sign',
      message,
      hint: 'give a CA certificate whose key usage has keyCertSign',
    });
  }
  if (!root.isSelfSigned) {
    const message = `${root.subject} is not self-signed: it is sent along with every leaf, and clients have to trust its issuer`;
    found.push({
      severity: 'warning',
      problem: 'not-self-signed',
      message,
      hint: 'give clients the certificate of its root',
    });
  }
  return found;
}

function checkKeyFile(root: RootCa): CaFinding[] {
  const { origin } = root;
  if (!origin || process.platform === 'win32' || (origin.keyFileMode & 0o077) === 0) return [];
  const mode = origin.keyFileMode.toString(8).padStart(4, '0');
  const message = `the CA key ${origin.keyFile} can be read by others (mode ${mode}): who has it can impersonate any host to your clients`;
  return [{ severity: 'warning', problem: 'key-file-readable', message, hint: `chmod 600 ${origin.keyFile}` }];
}
