// Drives a real Chromium; `tests/realtime/browser.py` is its other half.
//
// Tells {page, happened: "console", kind, text}, {page, happened: "error", text} (an exception that nobody caught) and
// {page, happened: "request_failed", url, text}.

import puppeteer, { TimeoutError } from "puppeteer-core";

import { chromium } from "./chromium.mjs";
import { answerCommands, tell } from "./lines.mjs";

const FLAGS = [
  // The sandbox needs a user other than root, or rights that containers lack; only our own pages are opened.
  "--no-sandbox",
  "--disable-dev-shm-usage",
  "--disable-gpu",
  "--no-proxy-server",
];

const pages = new Map();
let browser;

function pageOf(page) {
  if (!pages.has(page)) throw new Error(`There is no page ${page}.`);
  return pages.get(page);
}

async function start() {
  const { program, environment } = await chromium();
  browser = await puppeteer.launch({
    executablePath: program,
    env: { ...process.env, ...environment },
    args: FLAGS,
    headless: "shell",
    // With a pipe Chromium ends when this process does, however that happens.
    pipe: true,
  });
  return { version: await browser.version() };
}

/** Opens an empty page with cookies and stores of its own. */
async function open({ page, timeout_ms }) {
  const context = await browser.createBrowserContext();
  const opened = await context.newPage();
  opened.setDefaultTimeout(timeout_ms);
  opened.on("console", (message) => tell({ page, happened: "console", kind: message.type(), text: message.text() }));
  opened.on("pageerror", (error) => tell({ page, happened: "error", text: String(error?.stack ?? error) }));
  opened.on("requestfailed", (request) => {
    tell({ page, happened: "request_failed", url: request.url(), text: request.failure()?.errorText ?? "" });
  });
  pages.set(page, opened);
}

/** Waits until a match of the selector contains the text. */
async function waitForText({ page, selector, text, timeout_ms }) {
  const appeared = (wanted, sought) =>
    [...document.querySelectorAll(wanted)].some((element) => element.textContent.includes(sought));
  const options = { timeout: timeout_ms, polling: "mutation" };
  try {
    await pageOf(page).waitForFunction(appeared, options, selector, text);
  } catch (error) {
    if (!(error instanceof TimeoutError)) throw error;
    const texts = await pageOf(page).$$eval(selector, (elements) => elements.map((element) => element.textContent));
    throw new Error(`${selector} has not shown ${JSON.stringify(text)} but ${JSON.stringify(texts)}.`);
  }
}

answerCommands(
  {
    start,
    open,
    goto: async ({ page, url }) => (await pageOf(page).goto(url))?.status(),
    fill: ({ page, selector, text }) => pageOf(page).locator(selector).fill(text),
    click: ({ page, selector }) => pageOf(page).locator(selector).click(),
    text: ({ page, selector }) => pageOf(page).$eval(selector, (element) => element.textContent),
    wait_for_text: waitForText,
    evaluate: ({ page, script }) => pageOf(page).evaluate(script),
    screenshot: async ({ page, path }) => {
      await pageOf(page).screenshot({ path, fullPage: true });
    },
    close: async ({ page }) => {
      await pageOf(page).browserContext().close();
      pages.delete(page);
    },
  },
  () => browser?.close(),
);
