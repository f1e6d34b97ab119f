export { describeEachBackend, testBackends, type TestBackend, type TestBackendName } from "./test-backends.js";
export { expectNoLeak } from "./expect-no-leak.js";
export { expectOutput, readFixture, type Fixture, type FixtureTensor, type FixtureTensors } from "./fixtures.js";
