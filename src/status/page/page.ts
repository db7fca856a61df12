import { createHash } from 'node:crypto'
import { PAGE_BODY } from './page-body.js'
import { CHARTS_SCRIPT } from './page-charts.js'
import { PAGE_SCRIPT } from './page-script.js'
import { PAGE_STYLE } from './page-style.js'

const SCRIPT = `'use strict';(() => {${CHARTS_SCRIPT}${PAGE_SCRIPT}})()`

/** Data come later, from status.json: the page itself is the same for everyone. */
export const PAGE = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>walship</title>
<link rel="icon" id="icon" href="data:,">
<style>${PAGE_STYLE}</style>
</head>
${PAGE_BODY}
<script>${SCRIPT}</script>
</html>
`

/** Nothing from elsewhere, and of scripts and styles only those that stand above. */
export const PAGE_POLICY = {
  'content-security-policy': [
    "default-src 'none'",
    `script-src '${digest(SCRIPT)}'`,
    `style-src '${digest(PAGE_STYLE)}'`,
    "connect-src 'self'",
    'img-src data:',
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
  ].join('; '),
} as const

function digest(text: string): string {
  return `sha256-${createHash('sha256').update(text).digest('base64')}`
}
