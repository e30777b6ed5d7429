import react from "@vitejs/plugin-react";
import { defineConfig } from "vitest/config";

export default defineConfig({
  // Every address is relative to the page's `<base>`, which the server sets: a path prefix needs no other build.
  base: "./",
  plugins: [react()],
  build: {
    outDir: process.env.ALERTSTREAM_UI_OUT ?? "dist",
    emptyOutDir: true,
    // The server's policy lets nothing inline run.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
  },
  server: { proxy: { "/api": process.env.ALERTSTREAM ?? "http://127.0.0.1:9093" } },
  test: { environment: "happy-dom", include: ["src/**/*.test.{ts,tsx}"], restoreMocks: true },
});
