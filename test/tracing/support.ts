import { endWithAll, type Sketch, startCutover } from '../proxy/support.ts'
import type { Cutover, CutoverOptions } from '../support/cutover.ts'
import { OtlpReceiver } from './otlp-receiver.ts'

export interface Traced {
  readonly cutover: Cutover
  readonly receiver: OtlpReceiver
}

/** A receiver of spans, which ends with `endAll`. */
export async function receiver(): Promise<OtlpReceiver> {
  const started = await OtlpReceiver.start()
  endWithAll(() => started.close())
  return started
}

/** A Cutover that records this share of its traces, and their receiver. */
export async function startTraced(
  sketches: Readonly<Record<string, Sketch>>,
  more: Omit<CutoverOptions, 'services' | 'telemetry'> = {},
  sample = 1,
): Promise<Traced> {
  const to = await receiver()
  const tracing = { endpoint: to.endpoint, sample }
  return { cutover: await startCutover(sketches, { ...more, telemetry: { tracing } }), receiver: to }
}
