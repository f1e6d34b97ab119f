export { evaluateGeneration } from "./evaluate-generation.js";
export { evaluateReconstruction } from "./evaluate-reconstruction.js";
export {
  evaluateRateDistortion,
  type EvaluateRateDistortionOptions,
} from "./rate-distortion/evaluate-rate-distortion.js";
export type { EncodePlanes } from "./rate-distortion/coders.js";
export type { BdRate, CurvePoint } from "./rate-distortion/curves.js";
export {
  rateReportText,
  type CoderReport,
  type EqualPsnr,
  type MeanPoint,
  type RateReport,
  type WrittenRates,
} from "./rate-distortion/rate-report.js";
export { mergeEvaluations } from "./merge-evaluations.js";
export { protocolNames, protocolOf, type NamedProtocol, type Protocol, type ProtocolName } from "./protocol.js";
export type { LeftOut, Shard } from "./clip-plan.js";
export type { EvaluationFiles, WrittenEvaluation } from "./finish.js";
export type { CommonOptions, EvaluateOptions, EvaluateReconstructionOptions } from "./options.js";
export type { ClipRecord, FrameMeasureName, RatePoint, RateRecord, SanityRecord, Scores, SetRecord } from "./record.js";
export type { Correlation, EvaluationReport, FrameCurve, FvdReport, SanityRow, ShortRecord } from "./report.js";
export type {
  EvaluationEnvironment,
  EvaluationSettings,
  EvaluationTask,
  RecordedContent,
  SideSettings,
  UsedFile,
} from "./settings.js";
export { reportText } from "./report-text.js";
