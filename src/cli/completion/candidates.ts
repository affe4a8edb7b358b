import type { Argument, Command, Option } from 'commander'

/** What a word can become. */
export interface Candidate {
  readonly value: string
  readonly description: string
}

/** What stands at the place of the word: one of these, the name of something that runs, a file, or something of one's own. */
export type Expected =
  | { readonly kind: 'words'; readonly candidates: readonly Candidate[] }
  | { readonly kind: 'names'; readonly of: NameKind; readonly line: Line }
  | { readonly kind: 'file' | 'anything' }

export type NameKind = 'service' | 'pool' | 'server' | 'id'

/** What is known from the words before. */
export interface Line {
  readonly service: string | undefined
  readonly admin: string | undefined
}

const NAME_KINDS: ReadonlySet<string> = new Set(['service', 'pool', 'server', 'id'] satisfies NameKind[])

/** Finds out, from the tree of commands, what can stand at the place of the last of `words`, which follow `cutover`. */
export function expected(program: Command, words: readonly string[]): Expected {
  const last = words.at(-1) ?? ''
  const values = new Map<string, string>()
  const names: string[] = []
  let command = program
  let awaits: Option | null = null
  for (const word of words.slice(0, -1)) {
    if (awaits !== null && !word.startsWith('-')) {
      values.set(awaits.name(), word)
      awaits = null
      continue
    }
    awaits = null
    if (word.startsWith('-')) {
      const option = optionOf(command, word)
      if (option !== undefined && !option.isBoolean() && !word.includes('=')) awaits = option
      continue
    }
    const verb = names.length === 0 ? verbOf(command, word) : undefined
    if (verb === undefined) names.push(word)
    else command = verb
  }
  const service =
    values.get('service') ?? names[command.registeredArguments.findIndex((each) => each.name() === 'service')]
  const line = { service, admin: values.get('admin') }
  if (awaits !== null && !last.startsWith('-')) return ofValue(awaits, line)
  if (last.startsWith('-')) return { kind: 'words', candidates: optionsOf(command, last) }
  if (command.commands.length > 0) {
    return names.length > 0 ? { kind: 'anything' } : { kind: 'words', candidates: verbsOf(command, last) }
  }
  const argument = command.registeredArguments[names.length]
  return argument === undefined ? { kind: 'anything' } : ofValue(argument, line)
}

function verbOf(command: Command, word: string): Command | undefined {
  return command.commands.find((each) => each.name() === word || each.aliases().includes(word))
}

function optionOf({ options }: Command, word: string): Option | undefined {
  const [name = ''] = word.split('=', 1)
  return options.find(({ short, long }) => short === name || long === name)
}

/** What stands for an argument, or the value of an option: known by its name. */
function ofValue(wanted: Argument | Option, line: Line): Expected {
  const { argChoices } = wanted
  if (argChoices !== undefined)
    return { kind: 'words', candidates: argChoices.map((value) => ({ value, description: '' })) }
  const name = 'flags' in wanted ? (/[<[](\w+)/.exec(wanted.flags)?.[1] ?? '') : wanted.name()
  if (NAME_KINDS.has(name)) return { kind: 'names', of: name as NameKind, line }
  return { kind: name === 'file' ? 'file' : 'anything' }
}

function verbsOf(command: Command, begin: string): Candidate[] {
  return command
    .createHelp()
    .visibleCommands(command)
    .map((each) => ({ value: each.name(), description: each.description() }))
    .filter(({ value }) => value.startsWith(begin))
}

function optionsOf(command: Command, begin: string): Candidate[] {
  return command
    .createHelp()
    .visibleOptions(command)
    .map(({ long, short, description }) => ({ value: long ?? short ?? '', description }))
    .filter(({ value }) => value.startsWith(begin))
}
