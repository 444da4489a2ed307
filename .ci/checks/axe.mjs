// axe on HTML files in headless Chromium: WCAG A/AA, light and dark, four widths; no request leaves, nothing overflows.
import { chromium } from 'playwright-core';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { resolve } from 'node:path';

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM || '/usr/bin/chromium',
  args: ['--no-sandbox', '--disable-gpu', '--disable-background-networking', '--disable-component-update', '--disable-sync'],
});
let bad = 0;
for (const file of process.argv.slice(2)) {
  for (const colorScheme of ['light', 'dark']) {
    const page = await browser.newPage({ colorScheme });
    await page.route('**/*', (route) => {
      const r = route.request();
      if (r.url().startsWith('file:')) return route.continue();
      if (r.resourceType() !== 'image') { bad++; console.log(`${file}: asks for a ${r.resourceType()}: ${r.url()}`); }
      return route.abort();
    });
    for (const width of [320, 375, 600, 800]) {
      await page.setViewportSize({ width, height: 900 });
      await page.goto('file://' + resolve(file));
      if (width === 320 || width === 800) {
        await page.evaluate(axe);
        const found = await page.evaluate(() => axe.run({ runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa'] }));
        for (const v of found.violations) {
          bad++;
          console.log(`${file} ${colorScheme} ${width}: ${v.id}: ${v.nodes[0].html.slice(0, 160)}`);
        }
      }
      const over = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
      if (over > 0) { bad++; console.log(`${file} ${colorScheme} ${width}: ${over} px too wide`); }
    }
    await page.close();
  }
}
await browser.close();
console.log(`axe: ${process.argv.length - 2} files, ${bad} findings`);
process.exit(bad ? 1 : 0);
