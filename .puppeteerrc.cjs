// The browser comes from the machine or from an optional npm package; see src/host/browser.ts.
module.exports = { skipDownload: true };
