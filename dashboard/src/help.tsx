import { signal } from '@preact/signals'
import { useEffect, useRef } from 'preact/hooks'

export const isHelpOpen = signal(false)

const KEYS = [
  ['/', 'search'],
  ['g s', 'services'],
  ['g f', 'fleet'],
  ['g e', 'events'],
  ['g x', 'explain a request'],
  ['Tab, Enter', 'move and press'],
  ['Esc', 'close a dialog, or empty the search'],
  ['?', 'this help'],
] as const

/** The keys that the page takes. */
export function Help() {
  const dialog = useRef<HTMLDialogElement>(null)
  const isOpen = isHelpOpen.value
  useEffect(() => {
    if (isOpen) dialog.current?.showModal()
    else dialog.current?.close()
  }, [isOpen])
  const close = (): void => {
    isHelpOpen.value = false
  }
  return (
    <dialog ref={dialog} aria-labelledby="help-title" onClose={close}>
      <h2 id="help-title">Keyboard</h2>
      <dl class="keys">
        {KEYS.map(([keys, text]) => (
          <div key={keys}>
            <dt>
              <kbd>{keys}</kbd>
            </dt>
            <dd>{text}</dd>
          </div>
        ))}
      </dl>
      <p class="muted">
        All that this page does, the <a href="/docs">API</a> and the command line do as well:{' '}
        <code>cutover --help</code>.
      </p>
      <div class="buttons">
        <button type="button" class="primary" onClick={close}>
          Close
        </button>
      </div>
    </dialog>
  )
}
