import { defineConfig } from "vitest/config";

/** Tests that use the machine (namespaces, one API server) run one file at a time: two cores, and honest timings. Three that wait, beside one another. */
const alone = { fileParallelism: false, maxConcurrency: 3, testTimeout: 120_000, hookTimeout: 300_000 };

export default defineConfig({
  test: {
    reporters: ["default", "./test/report/plain-line.ts"],
    coverage: { provider: "v8", include: ["src/**/*.ts"], reporter: ["text-summary"] },
    projects: [
      {
        test: {
          name: "unit",
          include: [
            "test/unit/**/*.test.ts",
            "test/scenario/**/*.test.ts",
            "test/oracle/**/*.test.ts",
            "test/architecture.test.ts",
          ],
        },
      },
      { test: { name: "kernel", include: ["test/kernel/**/*.test.ts"], ...alone, sequence: { groupOrder: 1 } } },
      { test: { name: "cluster", include: ["test/cluster/**/*.test.ts"], ...alone, sequence: { groupOrder: 2 } } },
    ],
  },
});
