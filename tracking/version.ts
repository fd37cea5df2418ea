/** The version of the pixel, by itself: its file is pinned by clients, so it moves only when the file does. */
export const pixelVersion = '1.0.0'
