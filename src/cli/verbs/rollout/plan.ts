import type { Client, Rollout } from '../../../client/create-client.ts'
import { EXIT, type ExitCode } from '../../exit-codes.ts'
import { tableLines } from '../../output/table.ts'
import { harmless } from '../../output/text.ts'
import type { Session } from '../../session.ts'
import type { Wanted } from './wanted.ts'

type Plan = Extract<Awaited<ReturnType<Client['rollouts']['start']>>, { dryRun: true }>

/** Asks what a rollout would be, without beginning it, and prints that. Throws ApiError. */
export async function tellPlan(session: Session, service: string, wanted: Wanted): Promise<ExitCode> {
  const { client, terminal, isJson } = session
  const answer = await client.rollouts.start(service, { ...wanted, dryRun: true })
  if (!('dryRun' in answer)) throw new Error('the API has begun a rollout, though dryRun was asked for')
  if (isJson) terminal.printJson(answer)
  else terminal.print(...planLines(answer))
  return EXIT.done
}

function planLines({ rollout, remarks }: Plan): string[] {
  const { service, from, to, strategy, steps } = rollout
  const rest = [...remarks]
  const rows = steps.map(({ index, text }) => {
    const at = rest.findIndex((remark) => remark.startsWith(`step ${index} `))
    const remark = at === -1 ? '' : (rest.splice(at, 1)[0] ?? '')
    return [`  ${index}.`, harmless(text), harmless(remark.replace(/^step \d+ /, ''))]
  })
  return [
    `${service}: ${from} → ${to}, ${strategy}. Nothing is changed yet.`,
    ...tableLines([...rows, [`  ${steps.length + 1}.`, 'promotion', 'all requests, then watched']], [0]),
    ...rest.map(harmless),
    ...note(rollout, remarks),
  ]
}

function note({ steps }: Rollout, remarks: readonly string[]): string[] {
  if (!steps.some(({ kind }) => kind === 'analysis'))
    return ['No step compares the pools: only the fuse, health checks and the watch after the promotion judge it.']
  return remarks.length === 0 ? [] : ['By the traffic of the last five minutes; see also: cutover rollout simulate']
}
