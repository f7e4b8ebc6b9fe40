import { describe, expect, it } from 'vitest'
import { batches, csvRows, readEntries, type ImportFault } from './importing'

function faultOf(action: () => unknown): string {
  try {
    action()
  } catch (error) {
    return (error as ImportFault).code
  }
  return ''
}

describe('reading a file of entries', () => {
  it('reads CSV with quotes, line breaks, a byte order mark and other separators', () => {
    const text = '\uFEFFquestion;answer;similar_questions;enabled\r\n"多久""发货""?";"第一行\n第二行; 完";什么时候发|发货时间;否\r\n\r\n'
    expect(readEntries(text, 'faq.csv')).toEqual([
      {
        question: '多久"发货"?',
        answer: '第一行\n第二行; 完',
        similar_questions: ['什么时候发', '发货时间'],
        enabled: false,
        category: '',
        locale: '',
        external_key: '多久"发货"?',
      },
    ])
  })

  it('reads JSON as the API has it', () => {
    const [entry] = readEntries(JSON.stringify({ entries: [{ question: 'Q', answer: 'A', external_key: 'k', similar_questions: ['x'] }] }), 'a.json')
    expect(entry).toMatchObject({ question: 'Q', answer: 'A', external_key: 'k', similar_questions: ['x'] })
  })

  it('says what is wrong with a file', () => {
    expect(faultOf(() => readEntries('{', 'a.json'))).toBe('notJson')
    expect(faultOf(() => readEntries('{}', 'a.json'))).toBe('notList')
    expect(faultOf(() => readEntries('a,b\n1,2', 'a.csv'))).toBe('noHeader')
    expect(faultOf(() => readEntries('question,answer\n', 'a.csv'))).toBe('empty')
    expect(faultOf(() => csvRows('question,answer\n"never closed'))).toBe('openQuote')
  })

  it('cuts what is too much for one request', () => {
    expect(batches([1, 2, 3], 2)).toEqual([[1, 2], [3]])
  })
})
