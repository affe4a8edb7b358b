import type { FastifyInstance } from 'fastify'
import { Type } from 'typebox'
import * as kind from '../../config/schema/kinds.ts'
import type { AcmeStanding } from '../../control/acme/acme-targets.ts'
import type { CertificateStanding } from '../../control/certificates/listener-certificates.ts'
import type { AdminContext } from '../context.ts'
import { readInput, reasonText } from '../input.ts'
import { describe } from '../openapi.ts'
import { ApiProblem } from '../problems.ts'

const RenewBody = kind.section(
  {
    domain: Type.Optional(
      kind.text({ description: 'A name of acme.domains of a listener of this instance; by default all of them.' }),
    ),
    reason: reasonText('Reason, for the log.'),
  },
  {},
)

/** The certificates of the listeners for clients. */
export function certificateRoutes(api: FastifyInstance, context: AdminContext): void {
  const { control, log } = context
  const { certificates, orders } = context.tls
  api.get(
    '/api/certificates',
    {
      schema: describe({
        tag: 'instance',
        summary: 'The certificates that the listeners of this instance have in force, and those that are ordered',
        answer: 'Certificates',
      }),
    },
    (_request, reply) => {
      const { revision } = control.state
      reply.header('etag', `"${revision}"`)
      return {
        revision,
        certificates: certificates.standings().map(certificateView),
        acme: orders.standings().map(acmeView),
      }
    },
  )

  api.post(
    '/api/certificates/renew',
    {
      schema: describe({
        tag: 'instance',
        summary: 'Order certificates by ACME now, whatever failed before',
        body: RenewBody,
        answer: 'CertificatesOrdered',
        accepted: 'CertificatesOrdered',
      }),
      config: { role: 'admin' },
    },
    async (request, reply) => {
      const { domain, reason } = readInput(RenewBody, request.body ?? {})
      const all = orders.standings().map((each) => each.domain)
      const wanted = domain === undefined ? all : all.filter((each) => each === domain.toLowerCase())
      if (wanted.length === 0) {
        const detail =
          all.length === 0
            ? 'No listener of this instance has acme in its tls.'
            : `No listener of this instance has it in acme.domains; they have ${all.join(', ')}.`
        throw new ApiProblem(404, 'Not ordered', detail)
      }
      log.info({ by: request.actor.name, reason, domains: wanted }, 'certificates are to be ordered now')
      await orders.renew(new Set(wanted))
      reply.code(202)
      return { revision: control.state.revision, ordering: wanted }
    },
  )
}

function certificateView({ listener, source, file, keyFile, facts, since, error, failures }: CertificateStanding) {
  const { names, issuer, notBeforeMs, notAfterMs, fingerprint } = facts
  return {
    listener,
    source,
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

function acmeView(standing: AcmeStanding) {
  const { domain, listeners, acme, notAfterMs, renewAtMs, nextTryMs, failures, error } = standing
  const { directory, challenge } = acme
  const at = (ms: number | null): string | null => (ms === null ? null : new Date(ms).toISOString())
  return {
    domain,
    listeners,
    directory,
    challenge,
    notAfter: at(notAfterMs),
    nextRenewal: at(renewAtMs),
    nextTry: at(nextTryMs),
    failures,
    error,
  }
}
