import { join } from 'node:path';
import { run } from './external-command.js';

export interface CertificateFiles {
  certificate: string;
  key: string;
}

/** A self-signed certificate of an authority. */
export async function makeAuthority(directory: string, name = 'authority'): Promise<CertificateFiles> {
  const files = { certificate: join(directory, `${name}.pem`), key: join(directory, `${name}-key.pem`) };
  await run(
    'openssl',
    ...['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2'],
    ...['-subj', `/CN=${name}`, '-addext', 'basicConstraints=critical,CA:TRUE'],
    ...['-keyout', files.key, '-out', files.certificate],
  );
  return files;
}

/** A certificate of an authority for a host or a client. */
export async function makeCertificate(
  directory: string,
  name: string,
  alternativeName: string,
  authority: CertificateFiles,
): Promise<CertificateFiles> {
  const files = { certificate: join(directory, `${name}.pem`), key: join(directory, `${name}-key.pem`) };
  await run(
    'openssl',
    ...['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2'],
    ...['-CA', authority.certificate, '-CAkey', authority.key, '-subj', `/CN=${name}`],
    ...['-addext', `subjectAltName=${alternativeName}`, '-addext', 'basicConstraints=critical,CA:FALSE'],
    ...['-keyout', files.key, '-out', files.certificate],
  );
  return files;
}
