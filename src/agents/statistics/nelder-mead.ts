const iterationsMax = 2_000
const toleranceMin = 1e-9

/** The simplex method of Nelder and Mead 1965 with its usual coefficients; the point with the least value found. */
export const nelderMead = (value: (point: number[]) => number, start: number[], step = 0.5): number[] => {
  const at = (point: number[]) => ({ point, value: value(point) })
  const simplex = [at(start), ...start.map((_, axis) => at(start.map((x, index) => (index === axis ? x + step : x))))]
  for (let iteration = 0; iteration < iterationsMax; iteration++) {
    simplex.sort((a, b) => a.value - b.value)
    const best = simplex[0]
    const worst = simplex[simplex.length - 1]
    if (!best || !worst || worst.value - best.value < toleranceMin) break
    const others = simplex.slice(0, -1)
    const center = start.map(
      (_, axis) => others.reduce((sum, { point }) => sum + (point[axis] ?? 0), 0) / others.length,
    )
    const along = (t: number) => at(center.map((c, axis) => c + t * ((worst.point[axis] ?? 0) - c)))
    const reflected = along(-1)
    const second = others[others.length - 1]?.value ?? 0
    if (reflected.value < best.value) {
      const expanded = along(-2)
      simplex[simplex.length - 1] = expanded.value < reflected.value ? expanded : reflected
    } else if (reflected.value < second) simplex[simplex.length - 1] = reflected
    else {
      const contracted = along(reflected.value < worst.value ? -0.5 : 0.5)
      if (contracted.value < Math.min(reflected.value, worst.value)) simplex[simplex.length - 1] = contracted
      else
        for (let index = 1; index < simplex.length; index++)
          simplex[index] = at((simplex[index]?.point ?? []).map((x, axis) => ((best.point[axis] ?? 0) + x) / 2))
    }
  }
  simplex.sort((a, b) => a.value - b.value)
  return simplex[0]?.point ?? start
}
