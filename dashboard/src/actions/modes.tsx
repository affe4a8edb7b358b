import { signal } from '@preact/signals'
import { counted, rate } from '../format.ts'
import { stats } from '../live/live.ts'
import { client } from '../live/session.ts'
import { type Action, optionsOf } from './action.ts'
import { serviceNow } from './sentences.ts'

/** Holds all requests. */
export function pause(service: string): Action {
  const seconds = signal(30)
  return {
    title: `Pause ${service}`,
    service,
    verb: () => 'Pause',
    fields: () => (
      <label class="field">
        <span>Hold a request for at most</span>
        <input
          type="number"
          min="1"
          max="3600"
          required
          value={seconds.value}
          onInput={({ currentTarget }) => {
            seconds.value = Number(currentTarget.value)
          }}
        />
        <span>seconds</span>
      </label>
    ),
    obstacle: () => (seconds.value >= 1 ? null : 'A request is held for at least one second.'),
    consequences: () => [
      `New requests (now ${rate(stats.value.get(service)?.rate ?? 0)}) wait at Cutover until the service is resumed; after ${counted(seconds.value, 'second')} each is answered 504.`,
      'Requests in flight end by themselves.',
    ],
    run: (how) => client.value.services.pause(service, { for: `${seconds.value}s`, ...optionsOf(how) }),
    undo: () => resume(service),
  }
}

/** Serves the requests again. */
export function resume(service: string): Action {
  return {
    title: `Resume ${service}`,
    service,
    verb: () => 'Resume',
    consequences: () => {
      const held = stats.value.get(service)?.held ?? 0
      const released =
        held > 0 ? `${counted(held, 'request')} that ${held === 1 ? 'is' : 'are'} held go on, and new` : 'New'
      return [`${released} requests go to the pools by their shares.`]
    },
    run: (how) => client.value.services.resume(service, optionsOf(how)),
  }
}

/** Refuses all requests. */
export function stop(service: string): Action {
  return {
    title: `Stop ${service}`,
    service,
    verb: () => 'Stop the service',
    consequences: () => [
      `Every new request (now ${rate(stats.value.get(service)?.rate ?? 0)}) is answered 503, until the service is resumed.`,
      'Requests in flight end by themselves.',
    ],
    isDangerous: () => true,
    run: (how) => client.value.services.stop(service, optionsOf(how)),
    undo: () => resume(service),
  }
}

/** Keeps the routing as it is. */
export function freeze(service: string): Action {
  return {
    title: `Freeze ${service}`,
    service,
    verb: () => 'Freeze',
    consequences: () => ['Switches, shifts, deploys and rollouts are refused until somebody unfreezes it.'],
    run: (how) => client.value.services.freeze(service, optionsOf(how)),
    undo: () => unfreeze(service),
  }
}

export function unfreeze(service: string): Action {
  return {
    title: `Unfreeze ${service}`,
    service,
    verb: () => 'Unfreeze',
    consequences: () => {
      const { freeze: frozen } = serviceNow(service)
      return [
        `Its routing may be changed again${frozen === undefined ? '' : `. ${frozen.by} has frozen it${frozen.reason === null ? '' : `: ${frozen.reason}`}`}.`,
      ]
    },
    run: (how) => client.value.services.unfreeze(service, optionsOf(how)),
  }
}
