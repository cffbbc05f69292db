import type { Status } from '../protocol/session'
import { strings } from './strings'

/**
 * How a status is shown. `fine` is calm, `care` asks for a glance, `lost` says
 * that something must be done. `text` is whole, `short` fits a phone, `detail`
 * explains.
 */
export interface StatusText {
  text: string
  short: string
  detail: string
  tone: 'fine' | 'care' | 'lost'
}

/** The words for a status: never more than what is known to be true. */
export function statusText(status: Status): StatusText {
  const say = strings.status
  switch (status.tag) {
    case 'loading':
      return { text: say.opening, short: say.opening, detail: '', tone: 'fine' }
    case 'saved':
      return { text: say.saved, short: say.saved, detail: say.savedDetail, tone: 'fine' }
    case 'saving':
      return { text: say.saving, short: say.saving, detail: say.savingDetail, tone: 'fine' }
    case 'waiting': {
      const text = say.waiting(status.edits)
      const detail = status.why ? `${status.why.replace(/\.?$/, '.')} ${say.waitingKept}` : say.waitingDetail
      return { text, short: text, detail, tone: 'care' }
    }
    case 'offline': {
      const [text, short] = status.edits
        ? [say.offlineWith(status.edits), say.offlineShort(status.edits)]
        : [say.offline, say.offline]
      return { text, short, detail: say.offlineDetail, tone: 'care' }
    }
    case 'reconnecting': {
      const [text, short] = status.edits
        ? [say.reconnectingWith(status.edits), say.reconnectingShort(status.edits)]
        : [say.reconnecting, say.reconnecting]
      return { text, short, detail: say.reconnectingDetail, tone: 'care' }
    }
    case 'ended': {
      const text = say.ended[status.why]
      return { text, short: text, detail: strings.ended[status.why][1], tone: 'lost' }
    }
  }
}

/** How many edits have not been acknowledged. */
export function unsentEdits(status: Status): number {
  switch (status.tag) {
    case 'saving':
    case 'waiting':
    case 'offline':
    case 'reconnecting':
      return status.edits
    case 'ended':
      return status.unsent?.length ? 1 : 0
    default:
      return 0
  }
}
