// The page in a browser: its API as `window.tilewire`, its progress to whoever drives the page.
import { Page } from './page.ts';

window.tilewire = new Page((progress) => window.tilewireProgress?.(progress));
