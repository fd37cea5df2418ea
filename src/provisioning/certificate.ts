import { createPrivateKey, X509Certificate } from 'node:crypto'
import { messageOf } from '../errors.ts'

/**
 * What is wrong with a certificate and its key, both PEM, in words; undefined when nginx will take them. Asked before they
 * are brought: a pair that does not fit is noticed by nginx only at its next start, which then fails.
 */
export const certificateProblem = (given: { certificate: string; key: string; domain: string }): string | undefined => {
  const { domain } = given
  try {
    const certificate = new X509Certificate(given.certificate)
    if (!certificate.checkPrivateKey(createPrivateKey(given.key)))
      return 'tls-key is not the key of the first certificate in tls-certificate.'
    if (certificate.checkHost(domain) === undefined)
      return `tls-certificate is for ${certificate.subjectAltName ?? certificate.subject}, not for ${domain}.`
    return undefined
  } catch (error) {
    return `tls-certificate and tls-key cannot be read as PEM: ${messageOf(error)}`
  }
}
