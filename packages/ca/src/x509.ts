// The X.509 library resolves its algorithms through decorators, which need this before anything else of it is loaded.
import 'reflect-metadata';

import { Name } from '@peculiar/x509';

export {
  AuthorityKeyIdentifierExtension,
  BasicConstraintsExtension,
  ExtendedKeyUsage,
  ExtendedKeyUsageExtension,
  type Extension,
  KeyUsageFlags,
  KeyUsagesExtension,
  SubjectAlternativeNameExtension,
  SubjectKeyIdentifierExtension,
  X509Certificate as PeculiarCertificate,
  X509CertificateGenerator,
} from '@peculiar/x509';

/** A name of one UTF-8 common name, or of nothing. */
export function commonNameOnly(text: string | undefined): Name {
  return new Name(text === undefined ? [] : [{ CN: [{ utf8String: text }] }]);
}
