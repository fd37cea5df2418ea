declare module 'js-yaml' {
  export const load: (text: string) => unknown
}
declare module 'jsdom' {
  export class JSDOM {
    constructor(html: string)
    window: { document: object } & object
  }
}
declare module 'markdown-it' {
  export type Token = {
    type: string
    content: string
    info: string
    markup: string
    children: Token[] | null
    attrGet(name: string): string | null
  }
  export default class MarkdownIt {
    constructor(options: { html: boolean; linkify: boolean })
    linkify: { set(options: { fuzzyLink: boolean }): unknown }
    parse(text: string, env: object): Token[]
  }
}
