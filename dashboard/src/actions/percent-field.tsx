/** A share: a slider, and the exact number. */
export function PercentField({ value }: { value: { value: number } }) {
  const set = ({ currentTarget }: { currentTarget: HTMLInputElement }): void => {
    value.value = Number(currentTarget.value)
  }
  return (
    <div class="percent">
      <label>
        <span>Share</span>
        <input type="range" min="0" max="100" step="1" value={value.value} onInput={set} />
      </label>
      <label class="exact">
        <span class="visually-hidden">Share in percent</span>
        <input type="number" min="0" max="100" step="any" value={value.value} onInput={set} required />
        <span aria-hidden="true">%</span>
      </label>
    </div>
  )
}

/** Why a share cannot be set; null = it can. */
export function percentProblem(value: number): string | null {
  return value >= 0 && value <= 100 ? null : 'A share is from 0 to 100 percent.'
}
