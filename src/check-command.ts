import type { Command } from 'commander'
import { EXIT, type ExitCode } from './cli/exit-codes.ts'
import { withConnection, withExamples } from './cli/options.ts'
import { act, type Session } from './cli/session.ts'

/** `cutover check`: lists all problems of a configuration file. */
export function addCheck(program: Command): void {
  const command = program
    .command('check')
    .description('check a configuration file and list all of its problems')
    .argument('<file>', 'configuration file (YAML or JSON)')
    .option('--diff', 'compare its services with those that run, as the admin API shows them')
  withExamples(withConnection(command), [
    ['cutover check cutover.yaml', 'exit code 0 = it can be used'],
    ['cutover check cutover.yaml --diff', 'what differs from the definitions that run'],
  ])
  command.action(act<{ diff?: true }>(async (session, [file = ''], { diff }) => check(session, file, diff === true)))
}

async function check(session: Session, file: string, withDiff: boolean): Promise<ExitCode> {
  // Loaded only here, as what the other commands need is: they start faster.
  const [{ loadConfig }, { formatProblem }] = await Promise.all([
    import('./config/load.ts'),
    import('./config/problems.ts'),
  ])
  const { terminal, isJson } = session
  const loaded = await loadConfig(file, process.env)
  if (!loaded.ok) {
    const { problems } = loaded
    if (isJson) terminal.printJson({ file, ok: false, problems })
    else {
      terminal.tell(...problems.map(formatProblem))
      terminal.tell(`${file} has ${problems.length} problem${problems.length === 1 ? '' : 's'}`)
    }
    return EXIT.unusable
  }
  const { checked } = await import('./checked-config.ts')
  return checked(session, file, loaded.config, withDiff)
}
