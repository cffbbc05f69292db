import type { ComponentChildren, JSX } from 'preact'
import { useLayoutEffect, useRef, useState } from 'preact/hooks'
import { type Align, useFloating } from './floating'
import { Icon, type IconName } from './icons'
import { Keys } from './tooltip'

export type MenuEntry =
  | {
      label: string
      icon?: IconName
      keys?: string
      checked?: boolean
      danger?: boolean
      /** A class for the label, to show what it does. */
      look?: string
      run(): void
    }
  | { heading: string }
  | 'line'

interface MenuProps {
  /** Names the button; its content may be an icon. */
  label: string
  children: ComponentChildren
  entries: () => MenuEntry[]
  align?: Align
  class?: string
  /** For the button: a tooltip, a tab index … */
  button?: JSX.IntrinsicElements['button']
  /** Where the focus goes after a choice; to the button unless told. */
  keepFocus?: boolean
}

/** A button that opens a menu, by the ARIA pattern for menu buttons. */
export function MenuButton({
  label,
  children,
  entries,
  align = 'start',
  keepFocus,
  button,
  ...props
}: MenuProps) {
  const [open, setOpen] = useState<false | 'first' | 'last'>(false)
  const ref = useRef<HTMLButtonElement>(null)
  const close = (refocus: boolean) => {
    setOpen(false)
    if (refocus) ref.current?.focus()
  }
  return (
    <>
      <button
        type="button"
        ref={ref}
        aria-label={label}
        aria-haspopup="menu"
        aria-expanded={open !== false}
        data-tip={open ? undefined : label}
        class={props.class ?? 'icon-button'}
        {...button}
        onClick={event => {
          event.preventDefault()
          setOpen(open ? false : 'first')
        }}
        onKeyDown={event => {
          if (event.key === 'ArrowDown' || event.key === 'ArrowUp') {
            event.preventDefault()
            setOpen(event.key === 'ArrowDown' ? 'first' : 'last')
          } else button?.onKeyDown?.(event)
        }}
      >
        {children}
      </button>
      {open && (
        <MenuList
          label={label}
          entries={entries()}
          align={align}
          anchor={ref.current}
          start={open}
          close={close}
          keepFocus={keepFocus ?? false}
        />
      )}
    </>
  )
}

function MenuList(props: {
  label: string
  entries: MenuEntry[]
  align: Align
  anchor: HTMLElement | null
  start: 'first' | 'last'
  close(refocus: boolean): void
  keepFocus: boolean
}) {
  const { anchor, close } = props
  const ref = useRef<HTMLDivElement>(null)
  const typed = useRef({ text: '', at: 0 })
  const items = () => Array.from(ref.current?.querySelectorAll<HTMLElement>('[role^=menuitem]') ?? [])

  useFloating(
    ref,
    () => anchor?.getBoundingClientRect(),
    props.align,
    why => close(why === 'escape'),
    target => anchor?.contains(target) ?? false,
  )

  useLayoutEffect(() => {
    const all = items()
    const checked = all.find(item => item.getAttribute('aria-checked') === 'true')
    const first = checked ?? all.at(props.start === 'first' ? 0 : -1)
    first?.focus({ preventScroll: true })
  }, [])

  const onKeyDown = (event: KeyboardEvent) => {
    const all = items()
    const at = all.indexOf(document.activeElement as HTMLElement)
    const go = (index: number) => {
      event.preventDefault()
      all[(index + all.length) % all.length]?.focus()
    }
    if (event.key === 'ArrowDown') go(at + 1)
    else if (event.key === 'ArrowUp') go(at - 1)
    else if (event.key === 'Home') go(0)
    else if (event.key === 'End') go(-1)
    else if (event.key === 'Tab') close(true)
    else if (event.key.length === 1 && event.key !== ' ' && !event.ctrlKey && !event.metaKey) {
      const recent = event.timeStamp - typed.current.at < 700
      typed.current = {
        text: (recent ? typed.current.text : '') + event.key.toLowerCase(),
        at: event.timeStamp,
      }
      const { text } = typed.current
      const from = text.length === 1 ? at + 1 : at
      const found = [...all.slice(from), ...all.slice(0, from)].find(item =>
        item.textContent?.trim().toLowerCase().startsWith(text),
      )
      if (found) go(all.indexOf(found))
    }
    event.stopPropagation()
  }

  return (
    <div ref={ref} popover="manual" class="menu" role="menu" aria-label={props.label} onKeyDown={onKeyDown}>
      {props.entries.map((entry, index) => {
        if (entry === 'line') return <hr key={index} />
        if ('heading' in entry)
          return (
            <div key={index} class="menu-heading" role="presentation">
              {entry.heading}
            </div>
          )
        return (
          // biome-ignore lint/a11y/useAriaPropsSupportedByRole: a checked one has the role of a radio
          <button
            type="button"
            key={index}
            role={entry.checked === undefined ? 'menuitem' : 'menuitemradio'}
            aria-checked={entry.checked}
            tabIndex={-1}
            class={entry.danger ? 'danger' : undefined}
            onPointerMove={event => {
              // A menu that opens under a pointer at rest is the keyboard's.
              if (event.movementX || event.movementY) event.currentTarget.focus({ preventScroll: true })
            }}
            onClick={event => {
              event.preventDefault()
              close(!props.keepFocus)
              entry.run()
            }}
          >
            {entry.icon && <Icon name={entry.icon} />}
            <span class={entry.look ?? 'label'}>{entry.label}</span>
            {entry.keys && <Keys keys={entry.keys} />}
            {entry.checked && <Icon name="check" />}
          </button>
        )
      })}
    </div>
  )
}
