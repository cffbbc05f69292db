import { useEffect, useLayoutEffect, useRef } from 'preact/hooks'
import type { Editor, Formats } from '../../binding/editor'
import { Icon } from '../controls/icons'
import { MenuButton } from '../controls/menu'
import { ariaKeys } from '../keys'
import { strings } from '../strings'
import { useWatch } from '../watch'
import { blocks, type Control, clear, commandOf, history, lists, marks, styles } from './commands'

/** Before the editor is there nothing is on, and nothing can be done. */
const nothing: Formats = {
  bold: false,
  italic: false,
  underline: false,
  strike: false,
  code: false,
  link: null,
  header: null,
  list: null,
  blockquote: false,
  codeBlock: false,
  canUndo: false,
  canRedo: false,
  editable: false,
  selectionEmpty: true,
}

/**
 * The formats, by the ARIA pattern for toolbars: one stop for Tab, arrows
 * within. Pressing a control leaves the selection in the text as it is.
 */
export function Toolbar({ editor, askForLink }: { editor: Editor | null; askForLink(): void }) {
  useWatch(editor)
  const ref = useRef<HTMLDivElement>(null)
  useRovingFocus(ref)
  useAboveKeyboard(ref)
  const formats = editor?.formats() ?? nothing

  const press = (control: Control) => {
    const command = commandOf(control, formats)
    if (command === 'link') askForLink()
    else editor?.run(command)
  }
  const button = (control: Control) => (
    <ToolbarButton key={control.label} control={control} formats={formats} press={press} />
  )

  return (
    <div
      ref={ref}
      role="toolbar"
      aria-label={strings.toolbar.label}
      class="toolbar"
      onMouseDown={event => event.preventDefault()}
    >
      <div class="toolbar-inner">
        <div class="group">{history.map(button)}</div>
        <div class="group">
          <StyleMenu formats={formats} editor={editor} />
        </div>
        {[marks, lists, blocks, [clear]].map(group => (
          <div key={group[0]?.label} class="group">
            {group.map(button)}
          </div>
        ))}
      </div>
    </div>
  )
}

function ToolbarButton({
  control,
  formats,
  press,
}: {
  control: Control
  formats: Formats
  press(control: Control): void
}) {
  const on = control.on?.(formats)
  const off = !formats.editable || control.off?.(formats)
  return (
    <button
      type="button"
      class="icon-button"
      aria-label={control.label}
      aria-pressed={on}
      // Not `disabled`, which would take the focus away from under the keyboard.
      aria-disabled={off}
      aria-keyshortcuts={control.keys && ariaKeys(control.keys)}
      data-tip={control.label}
      data-keys={control.keys}
      onClick={() => {
        if (!off) press(control)
      }}
    >
      <Icon name={control.icon} />
    </button>
  )
}

function StyleMenu({ formats, editor }: { formats: Formats; editor: Editor | null }) {
  const now = styles.find(style => style.level === formats.header) ?? styles[0]!
  return (
    <MenuButton
      label={`${strings.toolbar.style}: ${now.label}`}
      class="style-button"
      keepFocus
      button={{ 'aria-disabled': !formats.editable }}
      entries={() =>
        styles.map(style => ({
          label: style.label,
          keys: style.keys,
          checked: style.level === formats.header,
          look: `look-${style.level ?? 0}`,
          run: () => editor?.run({ name: 'header', level: style.level }),
        }))
      }
    >
      <span>{now.label}</span>
      <Icon name="down" />
    </MenuButton>
  )
}

/** One control takes part in Tab; arrows, Home and End move among them. */
function useRovingFocus(ref: { current: HTMLElement | null }): void {
  useEffect(() => {
    const bar = ref.current!
    const controls = () => Array.from(bar.querySelectorAll<HTMLElement>('.toolbar-inner > .group > button'))
    let current = 0
    const set = (index: number) => {
      const all = controls()
      current = (index + all.length) % all.length
      all.forEach((control, at) => {
        control.tabIndex = at === current ? 0 : -1
      })
      return all[current]
    }
    set(0)
    const onFocus = (event: FocusEvent) => {
      const index = controls().indexOf(event.target as HTMLElement)
      if (index >= 0) set(index)
    }
    const onKey = (event: KeyboardEvent) => {
      if (!controls().includes(event.target as HTMLElement)) return
      const to = { ArrowRight: current + 1, ArrowLeft: current - 1, Home: 0, End: -1 }[event.key]
      if (to === undefined) return
      event.preventDefault()
      set(to)?.focus()
    }
    bar.addEventListener('focusin', onFocus)
    bar.addEventListener('keydown', onKey)
    return () => {
      bar.removeEventListener('focusin', onFocus)
      bar.removeEventListener('keydown', onKey)
    }
  }, [])
}

/**
 * Keeps the bar just above the on-screen keyboard, where a phone shows it at
 * the bottom: the keyboard covers the layout, and only the visual viewport
 * tells by how much.
 */
function useAboveKeyboard(ref: { current: HTMLElement | null }): void {
  useLayoutEffect(() => {
    const viewport = window.visualViewport
    if (!viewport) return
    const lift = () => {
      const covered = document.documentElement.clientHeight - viewport.height - viewport.offsetTop
      ref.current?.style.setProperty('--covered', `${Math.max(0, Math.round(covered))}px`)
    }
    lift()
    viewport.addEventListener('resize', lift)
    viewport.addEventListener('scroll', lift)
    return () => {
      viewport.removeEventListener('resize', lift)
      viewport.removeEventListener('scroll', lift)
    }
  }, [])
}
