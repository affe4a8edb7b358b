import type { Pool } from '../../../src/client/create-client.ts'
import { percent } from '../format.ts'

/** The shares of the pools as one bar; its text says the same. */
export function SplitBar({ pools, isLarge = false }: { pools: readonly Pool[]; isLarge?: boolean }) {
  const shown = pools.filter(({ share }) => share > 0)
  const text = shown.map(({ name, share }) => `${name} ${percent(share)}`).join(', ')
  return (
    <div class={isLarge ? 'split large' : 'split'}>
      <div class="split-bar" role="img" aria-label={`Split: ${text}`}>
        {pools.map(({ name, share }, i) => (
          <span key={name} class={`part color-${i % 8}`} style={{ width: `${share}%` }} />
        ))}
      </div>
      <div class="split-text" aria-hidden="true">
        {shown.map(({ name, share }) => (
          <span key={name}>
            <i class={`swatch color-${pools.findIndex((pool) => pool.name === name) % 8}`} />
            {name} <b>{percent(share)}</b>
          </span>
        ))}
      </div>
    </div>
  )
}
