export { describeEachBackend, testBackends, type TestBackend, type TestBackendName } from "./test-backends.js";
export { expectNoLeak } from "./expect-no-leak.js";
