import type { FastifyInstance } from 'fastify'
import type { CertificateStanding } from '../../control/certificates/listener-certificates.ts'
import type { AdminContext } from '../context.ts'
import { describe } from '../openapi.ts'

/** The certificates of the listeners for clients. */
export function certificateRoutes(api: FastifyInstance, { certificates, control }: AdminContext): void {
  api.get(
    '/api/certificates',
    {
      schema: describe({
        tag: 'instance',
        summary: 'The certificates that the listeners of this instance have in force',
        answer: 'Certificates',
      }),
    },
    (_request, reply) => {
      const { revision } = control.state
      reply.header('etag', `"${revision}"`)
      return { revision, certificates: certificates.standings().map(certificateView) }
    },
  )
}

function certificateView({ listener, file, keyFile, facts, since, error, failures }: CertificateStanding) {
  const { names, issuer, notBeforeMs, notAfterMs, fingerprint } = facts
  return {
    listener,
    names,
    issuer,
    notBefore: new Date(notBeforeMs).toISOString(),
    notAfter: new Date(notAfterMs).toISOString(),
    fingerprint,
    file,
    keyFile,
    inForceSince: since?.toISOString() ?? null,
    error,
    failures,
  }
}
