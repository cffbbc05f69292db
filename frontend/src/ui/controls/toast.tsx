import { signal } from '@preact/signals'
import { useEffect, useState } from 'preact/hooks'
import { strings } from '../strings'
import { Icon } from './icons'

interface Toast {
  id: number
  text: string
  tone: 'plain' | 'bad'
  action?: { label: string; run(): void } | undefined
}

const PLAIN_MS = 5000
const ACTION_MS = 10_000
const toasts = signal<Toast[]>([])
let lastId = 0

/** Says something in passing; with an action it stays longer. */
export function toast(text: string, more: { tone?: 'bad'; action?: Toast['action'] } = {}): void {
  const next: Toast = { id: ++lastId, text, tone: more.tone ?? 'plain', action: more.action }
  // The same words twice are one message.
  toasts.value = [...toasts.value.filter(other => other.text !== text), next].slice(-3)
}

function dismiss(id: number): void {
  toasts.value = toasts.value.filter(other => other.id !== id)
}

/** Where toasts appear; there is one in the app. */
export function Toasts() {
  return (
    <div class="toasts" role="status" aria-live="polite">
      {toasts.value.map(each => (
        <ToastView key={each.id} {...each} />
      ))}
    </div>
  )
}

function ToastView({ id, text, tone, action }: Toast) {
  const [held, setHeld] = useState(false)
  useEffect(() => {
    if (held) return
    const timer = setTimeout(() => dismiss(id), action ? ACTION_MS : PLAIN_MS)
    return () => clearTimeout(timer)
  }, [held])
  return (
    <div
      class={`toast ${tone}`}
      onPointerEnter={() => setHeld(true)}
      onPointerLeave={() => setHeld(false)}
      onFocusIn={() => setHeld(true)}
      onFocusOut={() => setHeld(false)}
    >
      <span>{text}</span>
      {action && (
        <button
          type="button"
          class="toast-action"
          onClick={() => {
            dismiss(id)
            action.run()
          }}
        >
          {action.label}
        </button>
      )}
      <button
        type="button"
        class="toast-close"
        aria-label={strings.toast.dismiss}
        onClick={() => dismiss(id)}
      >
        <Icon name="close" />
      </button>
    </div>
  )
}
