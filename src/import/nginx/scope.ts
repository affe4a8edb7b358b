import type { Directive } from './parse.ts'

/** Blocks around a place, the nearest first: a directive holds where it is nearest. */
export class Scope {
  readonly blocks: readonly (readonly Directive[])[]

  constructor(blocks: readonly (readonly Directive[])[]) {
    this.blocks = blocks
  }

  /** The scope within a further block. */
  inside(block: readonly Directive[]): Scope {
    return new Scope([block, ...this.blocks])
  }

  /** The directives of that name in the nearest block that has any. */
  all(name: string): readonly Directive[] {
    for (const block of this.blocks) {
      const found = block.filter((directive) => directive.name === name)
      if (found.length > 0) return found
    }
    return []
  }

  /** The directive of that name that holds. */
  one(name: string): Directive | undefined {
    return this.all(name).at(-1)
  }

  /** The directives of that name in the innermost block only. */
  own(name: string): readonly Directive[] {
    return (this.blocks[0] ?? []).filter((directive) => directive.name === name)
  }
}
