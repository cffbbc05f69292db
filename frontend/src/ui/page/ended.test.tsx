// @vitest-environment happy-dom
import { render } from 'preact'
import { expect, test } from 'vitest'
import type { Account, Services } from '../services'
import { AccountContext, ServicesContext } from '../services'
import { strings } from '../strings'
import { Ended } from './ended'

test('speaks to writers; what the server said waits behind “Details”', () => {
  const place = document.createElement('div')
  const detail = 'Op 3: the embed must be an object.'
  render(
    <ServicesContext.Provider value={{} as Services}>
      <AccountContext.Provider value={{} as Account}>
        <Ended
          id="page"
          title="Plan"
          status={{ tag: 'ended', why: 'refused', detail, unsent: null }}
          editor={null}
          reload={() => {}}
        />
      </AccountContext.Provider>
    </ServicesContext.Provider>,
    place,
  )
  expect(place.querySelector('p')!.textContent).toBe(strings.ended.refused[1])
  const details = place.querySelector('details')!
  expect(details.open).toBe(false)
  expect(details.textContent).toContain(detail)
  details.remove()
  expect(place.textContent).not.toContain('embed')
})
