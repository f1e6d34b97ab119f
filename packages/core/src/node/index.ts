export { cacheFolder } from "./cache-folder.js";
export {
  findCachedProgram,
  programFactsName,
  programFolder,
  type CachedProgram,
  type CachedProgramFacts,
} from "./cached-program.js";
export { checkFiles, isFileFacts, type FileFacts } from "./checked-files.js";
export { fileReadError, fileWriteError } from "./file-error.js";
export { findProgram } from "./find-program.js";
export {
  findInstalled,
  platformName,
  trustHelp,
  useInstalled,
  type Installed,
  type InstalledKind,
} from "./installed.js";
export { acquireLock, type Lock, type LockHolder, type LockOptions } from "./lock.js";
export { temporaryPathFor } from "./leftovers.js";
export { openFileSource, sha256OfFile, type FileSource } from "./file-source.js";
export { openOrdinaryFile, type OpenFile } from "./ordinary-file.js";
export { packageVersion } from "./package-version.js";
export { lockShared, openFolder, settleFolder, type OpenFolder, type OpenFolderOptions } from "./open-folder.js";
export { adoptFolder, claimFolder, type ClaimOptions, type FolderEntry, type FolderOwner } from "./own-folder.js";
export { pathWithin } from "./path-within.js";
export { readText, readTextIfThere, type ReadTextOptions } from "./read-text.js";
export { resolveCheckpoint, withNewest } from "./resolve-checkpoint.js";
export {
  bestCheckpointPath,
  checkpointPath,
  checkpointsFolder,
  listCheckpoints,
  newestCheckpoint,
} from "./run-checkpoints.js";
export { ownProgram, startOwnWorker } from "./own-program.js";
export { identifySource, type IdentifyOptions } from "./source-identity.js";
export { makePrivateFolder, trustProblem } from "./private-folder.js";
export {
  lastLinesOf,
  programProblem,
  runProgram,
  startProgram,
  type ProgramEnd,
  type ProgramResult,
  type RunningProgram,
  type RunOptions,
  type StartOptions,
  type TimeLimit,
} from "./program.js";
export {
  checkOutput,
  moveIntoPlace,
  writeAtomically,
  type CheckOutputOptions,
  type FileContent,
  type OverwriteOption,
  type WriteOptions,
} from "./write-file.js";
