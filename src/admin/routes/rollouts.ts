import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { Type } from 'typebox'
import * as kind from '../../config/schema/kinds.ts'
import { rolloutFields } from '../../config/schema/rollout.ts'
import type { CommandMaker } from '../../control/controller.ts'
import { decide } from '../../model/decide.ts'
import { own } from '../../model/names.ts'
import { findRollout, type Rollout, rolloutsOf } from '../../model/rollout/rollout.ts'
import type { RolloutVerb } from '../../model/rollout/verbs.ts'
import type { JsonObject } from '../../model/state.ts'
import { FindableRatio } from '../../rollout/findable-ratio.ts'
import { type RolloutView, viewRollout } from '../../rollout/report.ts'
import { askRollout, startRollout, type WantedRollout } from '../../rollout/rollout-commands.ts'
import type { AdminContext } from '../context.ts'
import { CommandBody, commandMembers, readBody, readInput, WriteQuery } from '../input.ts'
import { describe } from '../openapi.ts'
import { refusalProblem, unknownProblem } from '../problems.ts'
import { answerTo, carryOut, requestOf, type WriteOptions } from '../write.ts'

const members = {
  to: Type.Optional(kind.text({ description: 'The pool to roll out; by default the one without a share, of two.' })),
  concurrency: kind.choice(['refuse', 'replace'], {
    description: 'While another rollout of the service runs: refuse this one, or end that one.',
    default: 'refuse',
  }),
  ...commandMembers,
}
const StartBody = kind.section({ ...members, ...rolloutFields }, {})
const StartQuery = kind.section(
  {
    ...WriteQuery.properties,
    dryRun: kind.decoded(
      Type.Enum(['true', 'false', ''], {
        description: 'true: say what would happen, and change nothing.',
        errorMessage: 'expected true or false',
        default: 'false',
      }),
      (word) => word !== 'false',
    ),
  },
  {},
)
const PromoteBody = kind.section(
  {
    full: kind.flag({ description: 'Skip all steps that are left.', default: false }),
    toStep: Type.Optional(kind.count({ description: 'Number of the step to go on with, from 1.', minimum: 1 })),
    ...commandMembers,
  },
  {},
)
const WeightBody = kind.section(
  { percent: kind.share({ description: 'Share of the requests that the canary gets.' }), ...commandMembers },
  {},
)

type ServiceParams = { Params: { service: string } }
type RolloutParams = { Params: { service: string; id: string } }
type GateParams = { Params: { service: string; id: string; gate: string } }

/** Rollouts: SPEC §7. */
export function rolloutRoutes(api: FastifyInstance, context: AdminContext): void {
  const { control, rollouts, store } = context
  const findable = new FindableRatio(rollouts.surroundings)
  const nowSecond = (): number => control.ticks.fleet.end
  const view = (rollout: Rollout): RolloutView =>
    viewRollout(rollout, {
      surroundings: rollouts.surroundings,
      findable,
      leader: rollouts.leaderOf(rollout.service),
      nowMs: store.nowMs(),
    })
  const found = (service: string, id: string): Rollout => {
    const { services } = control.state
    if (own(services, service) === undefined) throw unknownProblem('service', service, Object.keys(services))
    const rollout = findRollout(control.state, service, id)
    if (rollout !== null) return rollout
    throw unknownProblem(
      'rollout',
      id,
      rolloutsOf(control.state, service).map((each) => each.id),
    )
  }
  const path = '/api/services/:service/rollouts'

  const listed = describe({ tag: 'rollouts', summary: 'The rollouts of a service, newest first', answer: 'Rollouts' })
  api.get<ServiceParams>(path, { schema: listed }, async (request, reply) => {
    const { service } = request.params
    const { services, revision } = control.state
    if (own(services, service) === undefined) throw unknownProblem('service', service, Object.keys(services))
    reply.header('etag', `"${revision}"`)
    return { revision, rollouts: rolloutsOf(control.state, service).toReversed().map(view) }
  })

  const shown = describe({
    tag: 'rollouts',
    summary: 'A rollout: state, evidence, and what it waits for',
    answer: 'RolloutShown',
  })
  api.get<RolloutParams>(`${path}/:id`, { schema: shown }, async (request, reply) => {
    const { service, id } = request.params
    const rollout = view(found(service, id))
    reply.header('etag', `"${control.state.revision}"`)
    return { revision: control.state.revision, rollout }
  })

  const started = describe({
    tag: 'rollouts',
    summary: 'Roll out a pool: steps that the traffic judges, to all of it or back to none',
    query: StartQuery,
    body: StartBody,
    example: { to: 'green', strategy: 'canary' },
    answer: 'RolloutPlan',
    created: 'RolloutWritten',
  })
  api.post<ServiceParams>(path, { schema: started }, async (request, reply) => {
    const { service } = request.params
    const { to, concurrency, force, reason } = readBody(StartBody, request)
    const { dryRun, ...query } = readInput(StartQuery, request.query)
    const settings = settingsOf(request.body as JsonObject | undefined)
    const wanted: WantedRollout = {
      service,
      ...(to === undefined ? {} : { to }),
      settings,
      replace: concurrency === 'replace',
    }
    const make = startRollout(wanted, nowSecond)
    const options = { force, reason, query }
    if (dryRun) return plan(request, make, options)
    let begun: Rollout | null = null
    const noting: CommandMaker = (...given) => {
      const made = make(...given)
      if ('command' in made && made.command.kind === 'beginRollout') begun = made.command.rollout
      return made
    }
    const carried = await carryOut(context, request, reply, noting, options)
    const id = (begun as Rollout | null)?.id ?? ''
    reply.code(201).header('location', `/api/services/${service}/rollouts/${id}`)
    return answerTo(context, carried, { rollout: view(found(service, id)) })
  })

  /** What a rollout would be, and what it could not find. */
  const plan = (request: FastifyRequest, make: CommandMaker, options: WriteOptions) => {
    const asked = requestOf(request, options)
    const { state } = control
    const facts = control.facts()
    const made = make(state, asked, facts)
    if ('refusal' in made) throw refusalProblem(made.refusal)
    const outcome = decide(state, made.command, asked, facts)
    if (outcome.kind === 'refused') throw refusalProblem(outcome.refusal)
    if (made.command.kind !== 'beginRollout') throw new Error('a rollout begins with beginRollout')
    const { rollout } = made.command
    return {
      revision: state.revision,
      dryRun: true,
      rollout: view(rollout),
      remarks: remarksOn(rollout, new FindableRatio(rollouts.surroundings)),
    }
  }

  const carry = async (
    request: FastifyRequest,
    reply: FastifyReply,
    { service, id }: { service: string; id: string },
    verb: RolloutVerb,
    options: WriteOptions,
  ) => {
    let after = id
    const make = askRollout(service, id, verb, nowSecond)
    const noting: CommandMaker = (...given) => {
      const made = make(...given)
      if ('command' in made && 'rollout' in made.command) after = made.command.rollout.id
      return made
    }
    const carried = await carryOut(context, request, reply, noting, options)
    return answerTo(context, carried, { rollout: view(found(service, after)) })
  }
  const post = <B extends typeof CommandBody>(
    name: string,
    summary: string,
    body: B,
    verbOf: (request: FastifyRequest) => { readonly verb: RolloutVerb; readonly options: WriteOptions },
    example: object = {},
  ): void => {
    const schema = describe({ tag: 'rollouts', summary, query: WriteQuery, body, example, answer: 'RolloutWritten' })
    api.post<RolloutParams>(`${path}/:id/${name}`, { schema }, async (request, reply) => {
      const { verb, options } = verbOf(request)
      return carry(request, reply, request.params, verb, options)
    })
  }
  const plain = (verb: 'pause' | 'resume' | 'skip' | 'back' | 'abort' | 'retry', summary: string): void =>
    post(verb, summary, CommandBody, (request) => ({ verb: { verb }, options: readBody(CommandBody, request) }))

  plain('pause', 'Hold a rollout where it is; the canary keeps its share, and a failure still aborts it')
  plain('resume', 'Go on after a pause; after one for lack of evidence, the step begins again')
  plain('skip', 'Leave the current step, as if it had passed')
  plain('back', 'Return to the weight before the current one')
  plain('abort', 'Take all requests from the canary at once')
  plain('retry', 'Begin the current step again with new evidence; of an aborted rollout, begin it anew')
  post(
    'promote',
    'Go on to the next step, to a later one (toStep), or to all of the traffic (full)',
    PromoteBody as never,
    (request) => {
      const { full, toStep, ...options } = readBody(PromoteBody, request)
      return { verb: { verb: 'promote', full, ...(toStep === undefined ? {} : { toStep }) }, options }
    },
    { full: true },
  )
  post(
    'setWeight',
    'Give the canary another share within the current step',
    WeightBody as never,
    (request) => {
      const { percent, ...options } = readBody(WeightBody, request)
      return { verb: { verb: 'setWeight', percent }, options }
    },
    { percent: 10 },
  )
  for (const verb of ['approve', 'reject'] as const) {
    const summary = verb === 'approve' ? 'Let a rollout pass a gate' : 'Abort a rollout at a gate'
    const schema = describe({
      tag: 'rollouts',
      summary,
      query: WriteQuery,
      body: CommandBody,
      answer: 'RolloutWritten',
    })
    api.post<GateParams>(`${path}/:id/gates/:gate/${verb}`, { schema }, async (request, reply) => {
      const { gate, ...params } = request.params
      return carry(request, reply, params, { verb, gate }, readBody(CommandBody, request))
    })
  }
}

/** The keys of the rollout as the caller has written them. */
function settingsOf(body: JsonObject | undefined): JsonObject {
  const known = new Set(Object.keys(rolloutFields))
  return Object.fromEntries(Object.entries(body ?? {}).filter(([key]) => known.has(key)))
}

/** What a rollout could not find at the rate of the last minutes. */
function remarksOn(rollout: Rollout, findable: FindableRatio): string[] {
  const remarks: string[] = []
  const { badRate } = findable.stable(rollout.service, rollout.from)
  const shareOf = (ratio: number): string => `${Number((100 * Math.min(1, ratio * badRate)).toPrecision(2))} %`
  let weight = 0
  for (const [i, step] of rollout.spec.steps.entries()) {
    if (step.kind === 'setWeight') weight = step.percent
    if (step.kind !== 'analysis' || weight <= 0 || weight >= 100) continue
    const { spec, service, from } = rollout
    const ratio = findable.at({ spec, service, from, weight, seconds: step.durationMs / 1_000, key: `plan ${i}` })
    remarks.push(
      ratio === null
        ? `step ${i + 1} at ${weight} % finds nothing at this rate of requests: it may wait for more of them, and pause at maxDuration`
        : `step ${i + 1} at ${weight} % finds a canary that fails ${ratio} times as often, ${shareOf(ratio)} of its requests`,
    )
  }
  return remarks
}
