export { checkDiskSpace, downloadFile, removeDownload, type DownloadOptions, type WebFile } from "./download.js";
export { usualWebLimits, webRequest, type WebAnswer, type WebLimits, type WebRequestOptions } from "./request.js";
