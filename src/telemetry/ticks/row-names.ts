import type { TickRow } from '../../model/messages.ts'

/** What the rows of one server and decision have in common. */
export type RowName = Pick<TickRow, 'service' | 'pool' | 'version' | 'decision' | 'server'>

/** Separates the parts of a key; no name has it. */
const SEPARATOR = '\u0000'

/** Numbers for the names of rows, which take less memory in each of many ticks. */
export class RowNames {
  private readonly ids = new Map<string, number>()
  private readonly names: (RowName | undefined)[] = []
  /** Last second in which each was used, by number. */
  private readonly usedAt: number[] = []
  private readonly free: number[] = []

  /** Returns the number of a name. `second`: that of the tick. */
  idOf(name: RowName, second: number): number {
    const key = rowKey(name)
    let id = this.ids.get(key)
    if (id === undefined) {
      id = this.free.pop() ?? this.names.length
      const { service, pool, version, decision, server } = name
      this.ids.set(key, id)
      this.names[id] = { service, pool, version, decision, server }
      this.usedAt[id] = second
    }
    this.usedAt[id] = Math.max(this.usedAt[id] as number, second)
    return id
  }

  nameOf(id: number): RowName {
    return this.names[id] as RowName
  }

  get count(): number {
    return this.ids.size
  }

  /** Forgets the names that no tick since `second` has. */
  forgetBefore(second: number): void {
    for (const [key, id] of this.ids) {
      if ((this.usedAt[id] as number) >= second) continue
      this.ids.delete(key)
      this.names[id] = undefined
      this.free.push(id)
    }
  }
}

export function rowKey({ service, pool, version, decision, server }: RowName): string {
  return [service, pool, version, decision, server].join(SEPARATOR)
}
