import type { ComponentChildren } from 'preact'
import { useEffect, useId, useRef } from 'preact/hooks'
import { strings } from '../strings'
import { Icon } from './icons'

interface DialogProps {
  title: string
  close(): void
  children: ComponentChildren
  class?: string
}

/** A modal dialog. Escape, its cross and a press beside it close it. */
export function Dialog({ title, close, children, ...props }: DialogProps) {
  const ref = useRef<HTMLDialogElement>(null)
  const heading = useId()
  useEffect(() => {
    const dialog = ref.current!
    const before = document.activeElement
    dialog.showModal()
    // By itself the first control would get it, which is the cross.
    const first = dialog.querySelector<HTMLElement>('[autofocus]') ?? dialog
    first.focus()
    return () => {
      dialog.close()
      if (before instanceof HTMLElement) before.focus()
    }
  }, [])
  return (
    // biome-ignore lint/a11y/useKeyWithClickEvents: the keyboard has Escape
    <dialog
      ref={ref}
      tabIndex={-1}
      class={`dialog ${props.class ?? ''}`}
      aria-labelledby={heading}
      onCancel={event => {
        event.preventDefault()
        close()
      }}
      onClick={event => {
        if (event.target === event.currentTarget) close()
      }}
    >
      <div class="dialog-body">
        <div class="dialog-head">
          <h2 id={heading}>{title}</h2>
          <button type="button" class="icon-button" aria-label={strings.dialog.close} onClick={close}>
            <Icon name="close" />
          </button>
        </div>
        {children}
      </div>
    </dialog>
  )
}
