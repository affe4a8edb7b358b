import type { Command } from 'commander'
import { collect, readDuration, readNumber, readPercent, withConnection, withExamples } from '../options.ts'
import { roll } from '../roll/roll.ts'
import { act } from '../session.ts'
import { Unusable } from '../unusable.ts'

const MINUTE_MS = 60_000

interface Flags {
  readonly exec: string
  readonly pool?: string
  readonly server?: readonly string[]
  readonly parallel?: number
  readonly canaryFirst?: true
  readonly watch?: number
  readonly drainTimeout?: number
  readonly upTimeout?: number
  readonly maxErrors?: number
  readonly maxSlower?: number
  readonly resume?: true
  readonly dryRun?: true
  readonly reason?: string
  readonly force?: true
}

export function addRoll(program: Command): void {
  const command = program
    .command('roll')
    .description('deploy to the servers of a pool in turn: take one out, run a command, put it back, watch it')
    .argument('<service>', 'name of the service')
    .requiredOption(
      '--exec <command>',
      'run by sh for each server; {server} {url} {host} {pool} {service} are replaced, CUTOVER_SERVER and so on are set',
    )
    .option('--pool <pool>', 'pool to roll; by default the one that gets all requests')
    .option('--server <names>', 'only these servers, with commas between them', collect(String))
    .option('--parallel <number>', 'servers at a time (default: 1)', readNumber(1, 1_000, true))
    .option('--canary-first', 'the first server alone, whatever --parallel is')
    .option('--watch <time>', 'compare each server with the others for this time; 0s = not (default: 10s)', readTime)
    .option('--max-errors <percent>', 'failures that it may have above the others (default: 1%)', readPercent)
    .option(
      '--max-slower <factor>',
      'max p95, compared with the slowest other server (default: 2)',
      readNumber(1, 1_000),
    )
    .option('--drain-timeout <time>', 'max time until a server is idle (default: 5m)', readDuration)
    .option('--up-timeout <time>', 'max time until it is up after the command (default: 2m)', readDuration)
    .option('--resume', 'go on with the last roll of this pool, wherever it was begun')
    .option('--dry-run', 'print the commands, and do nothing')
    .option('--reason <text>', 'why, for the history')
    .option('--force', 'take servers out even if too few are left; recorded in the history')
  withExamples(withConnection(command), [
    [
      `cutover roll shop --exec './deploy.sh {server}'`,
      'stops at the first server that fails, and leaves the rest as it is',
    ],
    [
      `cutover roll shop --pool blue --exec 'ssh {host} systemctl restart shop' --canary-first --parallel 2 --watch 30s`,
      'one server first, then two at a time',
    ],
  ])
  command.action(
    act<Flags>(async (session, [service = ''], flags) => {
      if (flags.exec.trim() === '')
        throw new Unusable(`--exec is empty: say what to run, such as './deploy.sh {server}'.`)
      return roll(session, service, {
        exec: flags.exec,
        pool: flags.pool,
        servers: flags.server ?? [],
        parallel: flags.parallel ?? 1,
        canaryFirst: flags.canaryFirst === true,
        watch: flags.watch ?? 10_000,
        drainTimeout: flags.drainTimeout ?? 5 * MINUTE_MS,
        upTimeout: flags.upTimeout ?? 2 * MINUTE_MS,
        maxErrors: flags.maxErrors ?? 1,
        maxSlower: flags.maxSlower ?? 2,
        resume: flags.resume === true,
        dryRun: flags.dryRun === true,
        reason: flags.reason,
        force: flags.force === true,
      })
    }),
  )
}

/** Reads a duration that may be 0. Throws InvalidArgumentError. */
function readTime(text: string): number {
  return /^0(ms|s|m)?$/.test(text) ? 0 : readDuration(text)
}
