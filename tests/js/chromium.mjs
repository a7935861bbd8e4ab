// A browser that tells everything it should not have done.
//
// Debian's Chromium, headless, told to call nobody on its own account. A page of it notes every request to
// another host, everything that its console says above the level of information, every error that nobody
// caught, and every breach of its content security policy.

import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { chromium } from 'playwright-core';

const FLAGS = [
  '--headless',
  '--no-sandbox',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  '--no-first-run',
  '--disable-quic',
];

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

/** Starts the browser. */
export function launch(program) {
  return chromium.launch({ executablePath: program, args: FLAGS });
}

/** A session of its own, whose pages may talk to one origin. */
export async function session(browser, origin) {
  const context = await browser.newContext({ viewport: { width: 1360, height: 800 } });
  await context.addInitScript(() => {
    document.addEventListener('securitypolicyviolation', (event) => {
      console.error(`breach of the policy: ${event.violatedDirective} ${event.blockedURI}`);
    });
  });
  const breaches = [];
  const asked = [];
  const ask = (address) => {
    asked.push(address);
    const url = new URL(address);
    // What a page made itself comes from nowhere: a font in its style sheet, a worker.
    if (['data:', 'blob:'].includes(url.protocol)) return;
    if (url.host !== new URL(origin).host) breaches.push(`asked another host: ${address}`);
  };
  context.on('request', (request) => ask(request.url()));
  context.on('page', (page) => {
    page.setDefaultTimeout(30_000);
    page.on('websocket', (socket) => ask(socket.url()));
    page.on('pageerror', (error) => breaches.push(`threw ${error.message}`));
    page.on('console', (message) => {
      if (['error', 'warning'].includes(message.type())) breaches.push(`said ${message.type()}: ${message.text()}`);
    });
  });
  return { context, breaches, asked };
}

/** What axe finds in a part of the page, a line each. */
export async function findings(page, part) {
  // Through the debugger, as the policy of the page lets in no script from elsewhere.
  if (!(await page.evaluate(() => 'axe' in globalThis))) await page.evaluate(axe);
  const { violations } = await page.evaluate((part) => globalThis.axe.run(part), part);
  return violations.flatMap(({ id, nodes }) => nodes.map((node) => `${part}: ${id}: ${node.html}`));
}
