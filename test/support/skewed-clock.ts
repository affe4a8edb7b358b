/**
 * Loaded into the processes of an instance before anything else (`--import`): their `Date` is off by the milliseconds that
 * stand in the file SKEWED_CLOCK names, which may change while they run. What counts time passed (performance.now, timers)
 * goes on as it is, as on a machine whose clock is set.
 */
import { readFileSync } from 'node:fs'

const LOOK_MS = 100
const file = process.env.SKEWED_CLOCK ?? ''
const TrueDate = Date
let skewMs = readSkew()

globalThis.Date = new Proxy(TrueDate, {
  construct: (target, args, newTarget) =>
    Reflect.construct(target, args.length === 0 ? [TrueDate.now() + skewMs] : args, newTarget),
  apply: () => new TrueDate(TrueDate.now() + skewMs).toString(),
  get: (target, key, receiver) => (key === 'now' ? skewedNow : Reflect.get(target, key, receiver)),
})

setInterval(() => {
  skewMs = readSkew()
}, LOOK_MS).unref()

function skewedNow(): number {
  return TrueDate.now() + skewMs
}

function readSkew(): number {
  try {
    return Number(readFileSync(file, 'utf8')) || 0
  } catch {
    return 0
  }
}
