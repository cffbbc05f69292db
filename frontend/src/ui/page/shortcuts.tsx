import { Dialog } from '../controls/dialog'
import { Keys } from '../controls/tooltip'
import { strings } from '../strings'
import { clear, history, lists, marks, styles } from './commands'

const { groups: headings, typed, ...say } = strings.shortcuts

/** What is typed at the start of a line, or around words, and what it becomes. */
const asYouType: [string, string][] = [
  ['# … ######', typed.heading],
  ['-', typed.bullet],
  ['1.', typed.ordered],
  ['[]', typed.check],
  ['>', typed.quote],
  ['```', typed.codeBlock],
  ['---', typed.divider],
  ['**…**', typed.bold],
  ['*…*', typed.italic],
  ['`…`', typed.code],
  ['~~…~~', typed.strike],
]

interface Shortcut {
  label: string
  keys?: string
}

/** All shortcuts of a page. */
export function ShortcutsDialog({ close }: { close(): void }) {
  return (
    <Dialog title={say.title} close={close} class="shortcuts">
      <div class="shortcut-groups">
        <Group heading={headings.text} shortcuts={[...marks, clear]} />
        <Group heading={headings.lines} shortcuts={[...styles, ...lists]} />
        <Group
          heading={headings.page}
          shortcuts={[
            ...history,
            { label: say.toolbar, keys: 'Alt-F10' },
            { label: say.leave, keys: 'Escape' },
            { label: say.thisDialog, keys: 'Mod-/' },
          ]}
        />
        <section>
          <h3>{headings.typed}</h3>
          <dl>
            {asYouType.map(([text, becomes]) => (
              <div key={text}>
                <dt>{becomes}</dt>
                <dd>
                  <code>{text}</code>
                </dd>
              </div>
            ))}
          </dl>
        </section>
      </div>
    </Dialog>
  )
}

function Group({ heading, shortcuts }: { heading: string; shortcuts: Shortcut[] }) {
  return (
    <section>
      <h3>{heading}</h3>
      <dl>
        {shortcuts.map(({ label, keys }) =>
          keys ? (
            <div key={label}>
              <dt>{label}</dt>
              <dd>
                <Keys keys={keys} />
              </dd>
            </div>
          ) : null,
        )}
      </dl>
    </section>
  )
}
