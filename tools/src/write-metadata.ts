import { packageMetadataProblems, writePackageMetadata } from "./package-metadata.js";

writePackageMetadata();
const problems = packageMetadataProblems();
if (problems !== "") {
  console.error(problems);
  process.exitCode = 1;
}
