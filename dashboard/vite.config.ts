import { defineConfig } from 'vite'

// biome-ignore lint/style/noDefaultExport: Vite reads it
export default defineConfig({
  root: import.meta.dirname,
  // Of the build, and of `vite` while you work at the page: it passes calls on to an instance that runs.
  server: { host: '127.0.0.1', proxy: { '/api': 'http://127.0.0.1:9900', '/docs': 'http://127.0.0.1:9900' } },
  oxc: { jsx: { runtime: 'automatic', importSource: 'preact' } },
  build: {
    outDir: '../dist/dashboard',
    emptyOutDir: true,
    target: 'es2022',
    // The content security policy allows no data: addresses of scripts or styles.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
  },
  logLevel: 'warn',
})
