/** Set `--evothesis-banner-…` on the site's `:root` to change any of it. */
export const bannerStyles = `
section {
  position: fixed; z-index: 2147483647; left: 50%; bottom: 16px; transform: translateX(-50%);
  box-sizing: border-box; width: min(560px, calc(100vw - 32px)); max-height: calc(100vh - 32px); overflow: auto;
  padding: 20px; font: var(--evothesis-banner-font, 16px/1.5 system-ui, sans-serif);
  color: var(--evothesis-banner-color, #1d2b2e); background: var(--evothesis-banner-background, #fff);
  border: 1px solid var(--evothesis-banner-border, #d5d8d8); border-radius: var(--evothesis-banner-radius, 14px);
  box-shadow: 0 12px 40px #0003;
}
h2 { margin: 0 0 6px; font-size: 1.15em }
p { margin: 0 0 12px }
a { color: inherit }
label { display: block; margin: 8px 0; text-transform: capitalize }
summary { cursor: pointer; margin-bottom: 8px }
div { display: flex; flex-wrap: wrap; gap: 10px; margin-top: 14px }
button {
  flex: 1; min-height: 44px; padding: 8px 16px; font: inherit; font-weight: 600; cursor: pointer;
  color: var(--evothesis-banner-button-color, #fff); background: var(--evothesis-banner-button, #1f4a4d);
  border: 0; border-radius: var(--evothesis-banner-button-radius, 9px);
}
:focus-visible { outline: 3px solid var(--evothesis-banner-focus, #b4531f); outline-offset: 2px }
section:focus { outline: none }`
