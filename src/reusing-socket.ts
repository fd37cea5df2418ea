import { type OnReadOpts, Socket, type SocketConstructorOpts } from 'node:net'

const readBytes = 1 << 16

/**
 * A socket that reads into the same memory again and again. Node.js takes 64 KB for each read otherwise, and a COPY of a
 * gigabyte has the whole heap looked through by every core, dozens of times, to give them back.
 *
 * Whoever listens to `view` gets that memory itself, and has until its return to use it; it may write there. With no such
 * listener `data` brings a copy, as from any socket.
 */
export class ReusingSocket extends Socket {
  constructor() {
    const memory = Buffer.allocUnsafeSlow(readBytes)
    const onread: OnReadOpts = {
      buffer: memory,
      callback: (length) => {
        const view = memory.subarray(0, length)
        if (!this.emit('view', view)) this.emit('data', Buffer.from(view))
        return true
      },
    }
    // `net.connect` hands it to the constructor; the declaration names it there only.
    super({ onread } as SocketConstructorOpts)
  }
}
