// A report's HTML in a page of the tests' browser, opened as a user opens the file.
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Page } from 'puppeteer';
import { expect } from 'vitest';

/** Looks at the file, which must stand alone: nothing is fetched, and nothing is printed or thrown. */
export async function lookAt(page: Page, html: string, look: (drawn: Page) => Promise<void>): Promise<void> {
  const drawn = await page.browser().newPage();
  try {
    const errors: unknown[] = [];
    const fetched: string[] = [];
    drawn.on('pageerror', (error) => errors.push(error));
    drawn.on('console', (message) => errors.push(message.text()));
    drawn.on('request', (request) => fetched.push(request.url().slice(0, 5)));
    await drawn.goto(pathToFileURL(html).href, { waitUntil: 'load' });
    await look(drawn);
    expect({ errors, fetched: fetched.filter((url) => url !== 'file:' && url !== 'data:') }).toEqual({ errors: [], fetched: [] });
  } finally {
    await drawn.close();
  }
}

/** The same of a text. */
export async function lookAtText(page: Page, text: string, look: (drawn: Page) => Promise<void>): Promise<void> {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'tilewire-test-'));
  try {
    const html = path.join(folder, 'report.html');
    fs.writeFileSync(html, text);
    await lookAt(page, html, look);
  } finally {
    fs.rmSync(folder, { recursive: true, force: true });
  }
}
