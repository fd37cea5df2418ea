import { type Duplex, Readable } from 'node:stream'
import { ReusingSocket } from './reusing-socket.ts'

/** What of a connection is needed here. */
type Connection = { stream: Duplex; query(text: string): void }
type OnData = (chunk: Buffer) => void

const headerBytes = 5
const noBytes = Buffer.alloc(0)
const blockBytes = 1 << 18
/** One that is read, one that waits, one that is filled. */
const blocksInUse = 3
const code = { copyData: 0x64, copyOutResponse: 0x48, notice: 0x4e, parameterStatus: 0x53, notification: 0x41 }
/** Messages that may stand between rows, and are for the connection. */
const asides: readonly number[] = [code.notice, code.parameterStatus, code.notification]

/**
 * `copy … to stdout` as a stream of blocks of a quarter of a megabyte. **A block's bytes hold until the next one is asked for**
 * (`for await`, or a pipe to what writes one at a time): the same three are filled again and again. There is no object for a
 * row either: some hundred thousand of them a second would cost more than all else that is done with them, and what is
 * thrown away here has the whole heap looked through several times a second, on every core.
 *
 * It takes the socket from the connection while rows come, and gives it back with the first message that is none of them. Ends
 * when the server has confirmed the COPY, so that `rowCount` is right when the last block was read.
 */
export class CopyToStream extends Readable {
  rowCount = 0
  readonly #text: string
  #socket: Duplex | undefined
  #onData: OnData | undefined
  /** The first bytes of a message whose header is not whole yet. */
  #header: Buffer = noBytes
  /** Where the content of the present message goes. */
  #goal: 'block' | 'connection' | 'nowhere' = 'nowhere'
  /** Bytes of it that have not come yet. */
  #missing = 0
  readonly #blocks = Array.from({ length: blocksInUse }, () => Buffer.allocUnsafeSlow(blockBytes))
  #at = 0
  #filled = 0

  constructor(text: string) {
    // In object mode, because waiting blocks would be put together into a new one otherwise.
    super({ objectMode: true, highWaterMark: 1 })
    // A connection may break, or the server refuse, before anybody reads; whoever then does is told.
    this.on('error', () => {})
    this.#text = text
  }

  /** Called by the client when it is this query's turn. */
  submit(connection: Connection): void {
    this.#socket = connection.stream
    this.#onData = connection.stream.listeners('data')[0] as OnData
    connection.stream.off('data', this.#onData)
    connection.stream.on(eventOf(connection.stream), this.#take)
    connection.query(this.#text)
  }

  override _read(): void {
    this.#socket?.resume()
  }

  handleError(error: Error): void {
    this.#giveBack()
    this.destroy(error)
  }

  handleCommandComplete(message: { text: string }): void {
    this.rowCount = Number(/^COPY (\d+)$/.exec(message.text)?.[1] ?? 0)
    if (this.#filled > 0) this.push(this.#block.subarray(0, this.#filled))
    this.push(null)
  }

  handleReadyForQuery(): void {}

  #take: OnData = (chunk) => {
    let at = 0
    // Rows are moved together at the chunk's beginning, in place: an object for each would be most of the work.
    let rowsEnd = 0
    while (at < chunk.length) {
      if (this.#missing === 0) {
        const began = this.#header.length
        if (began > 0 || chunk.length - at < headerBytes || chunk[at] !== code.copyData) {
          const message = began > 0 ? Buffer.concat([this.#header, chunk.subarray(at)]) : chunk.subarray(at)
          const kind = message[0] as number
          this.#header = noBytes
          if (kind !== code.copyData && kind !== code.copyOutResponse && !asides.includes(kind)) {
            this.#keep(chunk, rowsEnd)
            return this.#giveBack(message)
          }
          if (message.length < headerBytes) {
            this.#header = Buffer.from(message)
            break
          }
          this.#goal = kind === code.copyData ? 'block' : kind === code.copyOutResponse ? 'nowhere' : 'connection'
          if (this.#goal === 'connection') this.#onData?.(Buffer.from(message.subarray(0, headerBytes)))
          this.#missing = message.readUInt32BE(1) + 1 - headerBytes
        } else {
          this.#goal = 'block'
          this.#missing = chunk.readUInt32BE(at + 1) + 1 - headerBytes
        }
        at += headerBytes - began
      }
      const until = Math.min(chunk.length, at + this.#missing)
      this.#missing -= until - at
      if (this.#goal === 'block') {
        chunk.copyWithin(rowsEnd, at, until)
        rowsEnd += until - at
      } else if (this.#goal === 'connection') this.#onData?.(Buffer.from(chunk.subarray(at, until)))
      at = until
    }
    this.#keep(chunk, rowsEnd)
  }

  /** Adds the first bytes of a chunk to the block. */
  #keep(chunk: Buffer, until: number): void {
    for (let at = 0; at < until; ) {
      const copied = chunk.copy(this.#block, this.#filled, at, until)
      at += copied
      this.#filled += copied
      if (this.#filled < blockBytes) continue
      const full = this.#block
      this.#at = (this.#at + 1) % blocksInUse
      this.#filled = 0
      if (!this.push(full)) this.#socket?.pause()
    }
  }

  get #block(): Buffer {
    return this.#blocks[this.#at] as Buffer
  }

  #giveBack(rest?: Buffer): void {
    const [socket, onData] = [this.#socket, this.#onData]
    if (!socket || !onData) return
    this.#socket = undefined
    socket.off(eventOf(socket), this.#take)
    socket.on('data', onData)
    // The connection keeps what is no whole message yet.
    if (rest) onData(Buffer.from(rest))
    socket.resume()
  }
}

const eventOf = (socket: Duplex): 'view' | 'data' => (socket instanceof ReusingSocket ? 'view' : 'data')
