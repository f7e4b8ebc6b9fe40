import { expect, it } from 'vitest'
import { segments } from './segments'

it('marks every place, without case, and joins what overlaps', () => {
  expect(segments('Add my WeChat, wechat!', ['wechat'])).toEqual([
    { text: 'Add my ', hit: false },
    { text: 'WeChat', hit: true },
    { text: ', ', hit: false },
    { text: 'wechat', hit: true },
    { text: '!', hit: false },
  ])
  expect(segments('加微信号', ['加微信', '微信号']).filter((one) => one.hit).map((one) => one.text)).toEqual(['加微信', '号'])
  expect(segments('abc', ['143 s', ''])).toEqual([{ text: 'abc', hit: false }])
  expect(segments('', ['a'])).toEqual([])
})
