import { styleText } from 'node:util'

export type Ink = 'bold' | 'dim' | 'red' | 'green' | 'yellow' | 'cyan'

/** Colours a text, or leaves it as it is. */
export type Paint = (ink: Ink, text: string) => string

export const COLOURED: Paint = (ink, text) => styleText(ink, text, { validateStream: false })
export const PLAIN: Paint = (_ink, text) => text

/** What the environment says of colours: https://no-color.org. */
export function paintFor(isTerminal: boolean, env: NodeJS.ProcessEnv): Paint {
  const isRefused = (env.NO_COLOR ?? '') !== '' || env.TERM === 'dumb'
  return isTerminal && !isRefused ? COLOURED : PLAIN
}
