import type { Command } from 'commander'

/** Lets each command say how it is used when its arguments are wrong. */
export function withUsage(command: Command, path = command.name()): void {
  const lines = command.commands.length === 0 ? [`Usage: ${path} ${command.usage()}`] : []
  command.showHelpAfterError([...lines, `(${path} --help explains the commands and options)`].join('\n'))
  for (const each of command.commands) withUsage(each, `${path} ${each.name()}`)
}
