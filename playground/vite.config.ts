import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import react from '@vitejs/plugin-react';
import { defineConfig, type Plugin } from 'vite';

/** Text that is worth it gets a twin, compressed as far as it goes: the server sends one or the other. */
function compressed(): Plugin {
  let folder = '';
  return {
    name: 'compressed',
    apply: 'build',
    configResolved(config) {
      folder = join(config.root, config.build.outDir);
    },
    closeBundle() {
      for (const name of readdirSync(folder, { recursive: true, encoding: 'utf8' })) {
        if (!/\.(js|css|html|svg|json)$/.test(name)) continue;
        const whole = readFileSync(join(folder, name));
        const small = gzipSync(whole, { level: 9 });
        if (small.length < whole.length * 0.9) writeFileSync(join(folder, `${name}.gz`), small);
      }
    },
  };
}

export default defineConfig({
  // Where the binary serves what is built: pages at their own paths, all that they load under this one.
  base: '/playground/',
  plugins: [react(), compressed()],
  build: {
    target: 'es2023',
    // Monaco is large and comes in one piece; it is loaded by the page that needs it alone.
    chunkSizeWarningLimit: 4096,
    // Nothing is inlined: every asset has a name of its own and is kept by the browser.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    rolldownOptions: {
      onLog(level, log, handler) {
        // Words of GraphiQL to a compiler that made its code already.
        if (log.code !== 'MODULE_LEVEL_DIRECTIVE') handler(level, log);
      },
    },
  },
  worker: { format: 'es' },
  // `npm run dev` beside `cargo run`.
  server: {
    proxy: {
      '/graphql': { target: 'http://127.0.0.1:8080', ws: true },
      '/schema.graphql': 'http://127.0.0.1:8080',
    },
  },
});
