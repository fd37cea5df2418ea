/** Rows of texts as lines with aligned columns, two blanks between them; `before` goes in front of every line. */
export const alignColumns = (rows: readonly (readonly string[])[], before = ''): string[] => {
  const widths = rows[0]?.map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0))) ?? []
  return rows.map((row) =>
    `${before}${row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join('  ')}`.trimEnd(),
  )
}
